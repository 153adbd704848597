"""Contrast rows: a fixed set of rows, often pairs that differ in one word, on which judges are compared.

`read_contrast(path, criterion, mapping)` reads a file of them; `texts_apart` gives what must be in no pool and in no
training row, and `in_contrast(examples, criterion, apart, threshold)` finds the examples that hold such a text, word
for word or nearly.
Knows nothing of judges.
"""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from assay.datasets.candidates import judged_key
from assay.datasets.consensus import target_of
from assay.datasets.near_duplicates import nearly_among
from assay.ingest.labelled import Labelled, Reading
from assay.ingest.mapping import FieldMapping
from assay.ingest.text import normal_form
from assay.ingest.unlabelled import read_unlabelled
from assay.schema.criterion import Criterion, Field
from assay.schema.errors import InputError
from assay.schema.example import Example, field_text
from assay.schema.ids import canonical_json
from assay.schema.records import to_jsonable
from assay.store import contrast_sets
from assay.store.blobs import Blobs
from assay.store.database import Connection

MIN_CHARS = 15  # of one field's text: "yes, of course" stands in a contrast row and in half of all traffic
TEMPLATE_ROWS = 3  # a pair shares a context; what stands in one field of more rows than two tells none from another


@dataclass(frozen=True, kw_only=True)
class ContrastRow:
    """One example and its label; None in a set that only keeps its texts apart."""

    example: Example
    label: str | None


@dataclass(frozen=True, kw_only=True)
class Apart:
    """What must not be trained on: folded texts. `templates` are texts that stand in the same field of three rows of
    the set or more: nothing is kept apart for such a field, and a whole is compared without it.
    """

    texts: tuple[str, ...]
    templates: frozenset[tuple[Field, str]]


_ROWS = TypeAdapter(list[ContrastRow])


def read_contrast(path: Path, criterion: Criterion, mapping: FieldMapping) -> list[ContrastRow]:
    """Read a labelled file whole. A fixed set has no holes: raises InputError where a row is malformed, without a
    label, or its labels are tied; NotFoundError.
    """
    reading = Reading(path=path, criterion=criterion, mapping=mapping)
    rows = list(reading)
    reading.check_complete()
    if reading.malformed:
        first = reading.problems[0]
        raise InputError(
            f"{path.name} has rows that cannot be read: {reading.malformed:,}.",
            required="a contrast set whose rows are all well-formed",
            got=f"line {first.line}: {first.reason}",
            next_step=reading.unknown_label_hint() or "correct the file",
        )
    return [ContrastRow(example=row.example, label=_label(row, path)) for row in rows]


def read_texts_only(path: Path, criterion: Criterion, mapping: FieldMapping) -> list[ContrastRow]:
    """Read the texts of a file, whatever its labels say. Raises InputError where a row has none, and as
    `read_unlabelled`.
    """
    found = read_unlabelled(path, criterion, mapping.columns)
    if found.malformed:
        raise InputError(
            f"{path.name} has rows that cannot be read, whose texts would not be kept apart: {found.malformed:,}.",
            required=f"a text to judge in every row ({', '.join(criterion.reads)})",
            got=f"{len(found.examples):,} rows with one, {found.malformed:,} without",
            next_step="correct the file, or leave these rows out of it",
        )
    return [ContrastRow(example=example, label=None) for example in found.examples]


def counts_by_label(rows: Sequence[ContrastRow]) -> dict[str, int]:
    """Label → rows; empty where there are no labels."""
    return dict(sorted(Counter(row.label for row in rows if row.label is not None).items()))


def rows_to_bytes(rows: Iterable[ContrastRow]) -> bytes:
    """Canonical JSON, one row a line, sorted by example id: equal sets are equal bytes."""
    ordered = sorted(rows, key=lambda row: row.example.id)
    return "".join(canonical_json(to_jsonable(row)) + "\n" for row in ordered).encode("utf-8")


def rows_from_bytes(data: bytes) -> list[ContrastRow]:
    """The inverse of `rows_to_bytes`."""
    return _ROWS.validate_json(b"[" + b",".join(data.splitlines()) + b"]")


def texts_apart(rows: Iterable[ContrastRow], criterion: Criterion) -> Apart:
    """What must not be trained on: what a judge reads of each row, and each field of it that the criterion reads."""
    examples = [row.example for row in rows]
    fields = Counter((name, judged_key(example, (name,))) for example in examples for name in criterion.reads)
    templates = frozenset(one for one, count in fields.items() if count >= TEMPLATE_ROWS and one[1].strip())
    texts = {text for example in examples for text in _texts(example, criterion, templates)}
    return Apart(texts=tuple(sorted(texts)), templates=templates)


def stored_texts_apart(connection: Connection, blobs: Blobs, criterion: Criterion) -> dict[str, Apart]:
    """`texts_apart` of every contrast set of a criterion, by its name. Raises NotFoundError, IntegrityError (blob)."""
    return {
        one.name: texts_apart(rows_from_bytes(blobs.read(one.rows_blob)), criterion)
        for one in contrast_sets.of_criterion(connection, criterion.name)
    }


def in_contrast(
    examples: Iterable[Example], criterion: Criterion, apart: Apart, threshold: float
) -> np.ndarray:  # (n,) bool
    """Which examples hold, as a whole or in one field, a text that is to be kept apart. `threshold` is a Jaccard
    similarity.
    """
    owners: list[int] = []
    texts: list[str] = []
    count = 0
    for count, example in enumerate(examples, start=1):
        mine = _texts(example, criterion, apart.templates)
        owners += [count - 1] * len(mine)
        texts += mine
    found = np.zeros(count, dtype=bool)
    if apart.texts and texts:
        found[np.array(owners)[nearly_among(texts, apart.texts, threshold)]] = True
    return found


def _texts(example: Example, criterion: Criterion, templates: Set[tuple[Field, str]]) -> list[str]:
    own = tuple(name for name in criterion.reads if (name, judged_key(example, (name,))) not in templates)
    fields = (normal_form(field_text(getattr(example, name))) for name in own)
    whole = judged_key(example, own)
    if not whole.strip():  # templates alone: the row is what they are together
        whole = judged_key(example, criterion.reads)
    texts = {text for text in fields if len(text) >= MIN_CHARS} | {whole}
    return sorted(text for text in texts if text.strip())


def _label(row: Labelled, path: Path) -> str:
    target = target_of(row.labels)
    if target is None:
        raise InputError(
            f"Line {row.line} of {path.name} has no one label.",
            required="one label, or labels with a majority",
            got=f"{len(row.labels)} labels",
            next_step="leave the row out, or keep only the texts of the file apart with --texts-only",
        )
    return target.value
