"""Judgeable and Rejected: a row of the input made ready, or set aside with a reason.

Only the fields that the criterion reads are looked at. All else in the row, labels among it, is carried along as it is;
what JSON cannot hold (an infinite number, half of a surrogate pair) makes the row Rejected.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from assay.ingest.examples import example_of
from assay.ingest.mapping import FieldMapping, look
from assay.ingest.row import ReadRow, Row
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError
from assay.schema.example import Example

_PLAIN = FieldMapping()
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class Judgeable:
    """A row to be judged. `carried` is the JSON object of the columns that go to the output."""

    number: int
    carried: str
    example: Example

    @property
    def size_chars(self) -> int:
        """How much memory it takes, roughly."""
        return len(self.carried) if self.carried != "{}" else len(self.example.text())


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A row that is set aside. `row` is the JSON of the row, or of the beginning of its text."""

    number: int
    reason: str
    row: str

    @property
    def size_chars(self) -> int:
        """How much memory it takes, roughly."""
        return len(self.row)

    def line(self) -> bytes:
        """The row as a line of the set-aside file."""
        return f'{{"line":{self.number},"reason":{json.dumps(self.reason)},"row":{self.row}}}\n'.encode("ascii")


ReadyRow: TypeAlias = Judgeable | Rejected


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How rows become ready.

    `carry` None carries all columns; an empty one none. `taken` are the names that the verdict has in the output.
    """

    criterion: Criterion
    mapping: FieldMapping
    carry: frozenset[str] | None
    taken: frozenset[str]

    def ready(self, rows: Iterator[ReadRow]) -> Iterator[ReadyRow]:
        """The rows, each ready or set aside, in order."""
        return map(self.ready_row, rows)

    def ready_row(self, row: ReadRow) -> ReadyRow:
        """One row, ready or set aside."""
        if not isinstance(row, Row):
            return Rejected(number=row.number, reason=row.reason, row=json.dumps(row.raw))
        try:
            return Judgeable(number=row.number, carried=self._carried(row.values), example=self._example(row))
        except InputError as error:
            return Rejected(number=row.number, reason=_reason(error), row=_any_json(row.values))

    def _example(self, row: Row) -> Example:
        fields: dict[str, Any] = {"id": row.number}
        for name in (*self.criterion.reads, "messages"):
            value = look(row.values, name, self.mapping)
            if value is not None:
                fields[name] = value
        return example_of(fields, _PLAIN, self.criterion)

    def _carried(self, values: dict[str, Any]) -> str:
        if self.carry is not None:
            values = {name: value for name, value in values.items() if name in self.carry}
        if not self.taken.isdisjoint(values):
            raise InputError(f"the row has already {sorted(self.taken & values.keys())}, where the verdict would stand")
        return compact_json(values)


def compact_json(values: Any) -> str:
    """JSON in UTF-8 without spaces; NaN (a missing number in Parquet) becomes null. Raises InputError.

    >>> compact_json({"a": math.nan, "b": "é"})
    '{"a":null,"b":"é"}'
    """
    try:
        text = _COMPACT.encode(values)
    except ValueError:
        text = _finite_json(values)
    if not text.isascii():
        _refuse_surrogates(text)
    return text


def _any_json(values: Any) -> str:
    try:
        return json.dumps(values, allow_nan=False)
    except ValueError:
        return json.dumps(repr(values))


def _finite_json(values: Any) -> str:
    try:
        return _COMPACT.encode(_without_nan(values))
    except ValueError:
        raise InputError("an infinite number, which JSON cannot hold") from None


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError("half of a surrogate pair, which UTF-8 cannot hold", got=error.reason) from None


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _reason(error: InputError) -> str:
    parts = [error.problem.rstrip(".")]
    parts += [f"required: {error.required}"] if error.required else []
    parts += [f"got: {error.got}"] if error.got else []
    return "; ".join(parts)
