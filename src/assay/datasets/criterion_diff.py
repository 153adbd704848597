"""What moved between two versions of a criterion: words, scale, fields, and what becomes of the old labels.

`criterion_diff(old, new)` compares the texts; `label_fates(old labels, new)` says how many labels carry over and how
many must be given anew.
"""

import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields

from assay.schema.criterion import Criterion
from assay.schema.label import Label

_SKIPPED = ("name", "version", "scale", "carries_over")


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One thing that differs; `lines` is a line-by-line comparison (`- old`, `+ new`)."""

    what: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of the labels of one value under the new version; `becomes` None: they must be given anew."""

    value: str
    labels: int
    becomes: str | None


def criterion_diff(old: Criterion, new: Criterion) -> list[Moved]:
    """Everything that differs, in the order of the file; empty where only the version does."""
    moved = [
        Moved(what=field.name, lines=_lines(getattr(old, field.name), getattr(new, field.name)))
        for field in fields(Criterion)
        if field.name not in _SKIPPED and getattr(old, field.name) != getattr(new, field.name)
    ]
    for name in ("kind", "positive"):
        before, after = getattr(old.scale, name), getattr(new.scale, name)
        if before != after:
            moved.append(Moved(what=f"scale {name}", lines=_lines(before, after)))
    if old.labels != new.labels:
        moved.append(Moved(what="answers", lines=_compared(list(old.labels), list(new.labels))))
    return moved + _guidance(old, new)


def label_fates(labels: Iterable[Label], old: Criterion, new: Criterion) -> list[Fate]:
    """For each old answer how many labels were given and what they become, in the order of the old scale."""
    counts = Counter(label.value for label in labels)
    mapping = new.carries_over.get(old.version, {})
    return [Fate(value=value, labels=counts[value], becomes=mapping.get(value)) for value in old.labels]


def _guidance(old: Criterion, new: Criterion) -> list[Moved]:
    before = {level.label: level.guidance for level in old.scale.levels}
    after = {level.label: level.guidance for level in new.scale.levels}
    return [
        Moved(what=f"guidance of {label}", lines=_lines(before.get(label, ""), after.get(label, "")))
        for label in dict.fromkeys((*old.labels, *new.labels))
        if before.get(label, "") != after.get(label, "")
    ]


def _lines(old: object, new: object) -> tuple[str, ...]:
    return _compared(_split(old), _split(new))


def _split(value: object) -> list[str]:
    if value is None:
        return []
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text.splitlines()


def _compared(old: list[str], new: list[str]) -> tuple[str, ...]:
    return tuple(line for line in difflib.ndiff(old, new) if line[:1] in "-+")
