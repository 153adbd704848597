"""The rows of a frozen dataset: to bytes, whose digest names them, and back.

`load_rows(blobs, version)` reads them, `rows_of(rows, "test")` takes one split. Knows nothing of how they were chosen.
"""

from collections.abc import Iterable, Sequence

from pydantic import TypeAdapter

from assay.schema.dataset import DatasetVersion, FrozenRow, Split
from assay.schema.ids import canonical_json
from assay.schema.later_fields import without_unused
from assay.schema.records import to_jsonable
from assay.store.blobs import Blobs

_ROWS = TypeAdapter(list[FrozenRow])


def rows_to_bytes(rows: Iterable[FrozenRow]) -> bytes:
    """Canonical JSON, one row a line, sorted by example id: equal rows are equal bytes."""
    ordered = sorted(rows, key=lambda row: row.example.id)
    return "".join(canonical_json(without_unused(row, to_jsonable(row))) + "\n" for row in ordered).encode()


def rows_from_bytes(data: bytes) -> list[FrozenRow]:
    """The inverse of `rows_to_bytes`."""
    return _ROWS.validate_json(b"[" + b",".join(data.splitlines()) + b"]")


def load_rows(blobs: Blobs, version: DatasetVersion, *, tied: bool = False) -> list[FrozenRow]:
    """All rows of a dataset, sorted by example id; those that no label decides only where `tied` asks for them.

    Raises NotFoundError, IntegrityError (the blob).
    """
    return [row for row in rows_from_bytes(blobs.read(version.rows_blob)) if tied or row.target.decided]


def rows_of(rows: Sequence[FrozenRow], split: Split) -> list[FrozenRow]:
    """The rows of one split that a label decides, in their order."""
    return [row for row in rows if row.split == split and row.target.decided]


def tied_rows_of(rows: Sequence[FrozenRow]) -> list[FrozenRow]:
    """The rows that no label decides; all of them are in `train`."""
    return [row for row in rows if not row.target.decided]
