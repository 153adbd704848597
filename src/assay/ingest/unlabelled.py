"""The rows of a file as examples without labels: production traffic, to be judged or counted as it is.

`read_unlabelled(Path("traffic.jsonl"), criterion)` looks at the fields that the criterion reads and at no others, so a
file with labels or with columns of its own serves as well. Knows nothing of judges.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.ingest.examples import example_of
from assay.ingest.labelled import MAX_MALFORMED_SHARE
from assay.ingest.mapping import FieldMapping, look
from assay.ingest.row import MalformedRow, Row
from assay.ingest.rows import Format, read_rows
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.example import Example


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """The examples of a file, in its order, and how many of its rows hold none."""

    examples: tuple[Example, ...]
    malformed: int


def read_unlabelled(
    path: Path,
    criterion: Criterion,
    columns: Mapping[str, str] | None = None,
    format: Format | None = None,  # noqa: A002 - the word users write
) -> Unlabelled:
    """Read a whole file. `columns` maps a field to the file's column.

    Raises NotFoundError, InputError, IntegrityError (the file); InputError where it holds no row, or more than
    `MAX_MALFORMED_SHARE` of its rows have nothing to judge.
    """
    mapping = FieldMapping(columns=columns or {})
    examples: list[Example] = []
    reasons: list[str] = []
    for row in read_rows(path, format):
        try:
            examples.append(_example(row, mapping, criterion))
        except InputError as error:
            reasons.append(f"row {row.number}: {error.problem}")
    rows = len(examples) + len(reasons)
    if not rows:
        raise InputError(f"{shown(str(path))} holds no rows.", required="at least one row")
    if len(reasons) > MAX_MALFORMED_SHARE * rows:
        raise InputError(
            f"Too many rows of {path.name} hold nothing to judge.",
            required=f"at most {MAX_MALFORMED_SHARE:.0%} of them",
            got=f"{len(reasons):,} of {rows:,}; {reasons[0]}",
            next_step="correct the file, or name its columns",
        )
    return Unlabelled(examples=tuple(examples), malformed=len(reasons))


def _example(row: Row | MalformedRow, mapping: FieldMapping, criterion: Criterion) -> Example:
    if isinstance(row, MalformedRow):
        raise InputError(row.reason)
    found: dict[str, Any] = {name: look(row.values, name, mapping) for name in (*criterion.reads, "messages")}
    given = {name: value for name, value in found.items() if value is not None}
    return example_of({"id": row.number, **given}, FieldMapping(), criterion)
