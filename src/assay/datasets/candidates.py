"""Candidate: one labelled example on its way to a frozen row; exact duplicates are merged here.

`merge_duplicates(candidates, reads)` makes one candidate of all that have the same judged text. Near-duplicates are
another matter (`near_duplicates`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from assay.datasets.consensus import most_trusted, target_of
from assay.ingest.text import normal_form
from assay.schema.criterion import Field
from assay.schema.example import Example
from assay.schema.label import Label
from assay.schema.trace import Content, Part, TextPart, Turn

_BETWEEN = "\x1f"  # between fields, so that "a" + "b c" is not "a b" + "c"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An example with all its labels and the groups that it ties together (several after a merge of duplicates)."""

    example: Example
    labels: tuple[Label, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The candidates that are left; how many rows were merged into another, how many dropped for contradicting one."""

    kept: list[Candidate]
    merged: int
    conflicting: int


def candidate_of(example: Example, labels: Iterable[Label]) -> Candidate:
    """A candidate with its labels in one order, whatever order they came in."""
    groups = () if example.group is None else (example.group,)
    return Candidate(example=example, labels=tuple(sorted(labels, key=_label_order)), groups=groups)


def merge_duplicates(candidates: Iterable[Candidate], reads: tuple[Field, ...]) -> Merged:
    """One candidate for each judged text: the smallest id, with the labels and groups of all.

    Where the targets of one text contradict each other (among those decided by its most trusted source), all its rows
    are dropped: one of them is wrong and nothing tells which. Candidates come back sorted by id.
    """
    by_text: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_text.setdefault(judged_key(candidate.example, reads), []).append(candidate)
    groups = [sorted(same, key=_id) for same in by_text.values()]
    agreeing = [same for same in groups if not _in_conflict(same)]
    kept = sorted((_merged(same) for same in agreeing), key=_id)
    return Merged(
        kept=kept,
        merged=sum(len(same) for same in agreeing) - len(kept),
        conflicting=sum(len(same) for same in groups) - sum(len(same) for same in agreeing),
    )


def judged_key(example: Example, reads: tuple[Field, ...]) -> str:
    """What a judge reads of an example, folded: equal for exact duplicates. Images count by their digest."""
    return _BETWEEN.join(_field_key(getattr(example, name)) for name in reads)


def _field_key(value: Content | tuple[Turn, ...] | None) -> str:
    if value is None or isinstance(value, str):
        return normal_form(value or "")
    return _BETWEEN.join(_item_key(item) for item in value)


def _item_key(item: Part | Turn) -> str:
    if isinstance(item, Turn):
        return f"{item.role} {_field_key(item.content)}"
    return normal_form(item.text) if isinstance(item, TextPart) else item.blob


def _in_conflict(same: Sequence[Candidate]) -> bool:
    targets = [target for candidate in same if (target := target_of(candidate.labels)) is not None]
    deciding = most_trusted(target.source for target in targets)
    return len({target.value for target in targets if target.source == deciding}) > 1


def _merged(same: Sequence[Candidate]) -> Candidate:
    if len(same) == 1:
        return same[0]
    example = same[0].example
    labels = [replace(label, example_id=example.id) for candidate in same for label in candidate.labels]
    return Candidate(
        example=example,
        labels=tuple(sorted(labels, key=_label_order)),
        groups=tuple(sorted({group for candidate in same for group in candidate.groups})),
    )


def _id(candidate: Candidate) -> str:
    return candidate.example.id


def _label_order(label: Label) -> tuple[str, ...]:
    return (
        label.labeller,
        label.source,
        label.value,
        label.created_at or "",
        label.explanation or "",
        label.example_id,
    )
