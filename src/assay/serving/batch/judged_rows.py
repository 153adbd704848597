"""Judged rows as lines: what the growing output holds.

Where the output is JSONL a line is the row with its verdict, as it is delivered. Where it is a table a line is
`[number, row, verdict]`, from which the table is made at the end, when all columns and their types are known; so one
append-only file of lines is all that must survive a kill, whatever the format.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.schema.records import to_jsonable
from assay.schema.verdict import Verdict
from assay.serving.batch.judgeable import Judgeable, compact_json

VERDICT_PARTS = (
    "kind",
    "label",
    "probability",
    "action",
    "reason",
    "explanation",
    "explanation_cut",
    "truncated_tokens",
    "judge",
    "mode",
    "route",
    "latency_ms",
    "probabilities",
    "scores",
)


@dataclass(frozen=True, kw_only=True)
class JudgedRow:
    """A row of a table to be. `number` is that of the input row."""

    number: int
    values: Mapping[str, Any]
    verdict: Mapping[str, Any]


def delivered_line(row: Judgeable, verdict: Verdict, field: str) -> bytes:
    """The row with its verdict under `field`, as one line of JSONL."""
    start = "{" if row.carried == "{}" else f"{row.carried[:-1]},"
    return f'{start}"{field}":{compact_json(to_jsonable(verdict))}}}\n'.encode()


def spooled_line(row: Judgeable, verdict: Verdict) -> bytes:
    """The row and its verdict as `spooled_rows` reads them."""
    return f"[{row.number},{row.carried},{compact_json(to_jsonable(verdict))}]\n".encode()


def spooled_rows(path: Path) -> Iterator[JudgedRow]:
    """The rows of a finished spool."""
    with path.open("rb") as file:
        for line in file:
            number, values, verdict = json.loads(line)
            yield JudgedRow(number=number, values=values, verdict=verdict)


def verdict_columns(field: str) -> tuple[str, ...]:
    """The columns of a verdict in a table.

    >>> verdict_columns("verdict")[:3]
    ('verdict_kind', 'verdict_label', 'verdict_probability')
    """
    return tuple(f"{field}_{part}" for part in VERDICT_PARTS)


def cell(value: Any) -> str | None:
    """A value as the text of a cell: text as it is, nothing as nothing, all else as JSON.

    >>> cell("a"), cell(None), cell(True), cell({"yes": 0.5})
    ('a', None, 'true', '{"yes":0.5}')
    """
    return value if value is None or isinstance(value, str) else compact_json(value)
