"""Row and MalformedRow: what a reader of JSONL, CSV or Parquet yields.

Knows nothing of examples, labels or criteria.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

MAX_LINE_BYTES = 32 << 20  # a longer line is set aside unread, so that reading takes constant memory
MAX_RAW_CHARS = 2_000  # of an unreadable row that goes to the set-aside file


@dataclass(frozen=True, kw_only=True)
class Row:
    """One readable row. `number` is its first line in the file (in Parquet its row), from 1."""

    number: int
    values: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class MalformedRow:
    """One row that could not be read: `reason` in one sentence, `raw` the beginning of its text."""

    number: int
    reason: str
    raw: str


ReadRow: TypeAlias = Row | MalformedRow


def malformed(number: int, reason: str, raw: str | bytes) -> MalformedRow:
    r"""A malformed row with its text cut to `MAX_RAW_CHARS`; bytes that are not UTF-8 are shown as `\xNN`.

    >>> malformed(3, "not valid UTF-8", b"caf\xe9").raw
    'caf\\xe9'
    """
    if isinstance(raw, bytes):
        raw = raw[:MAX_RAW_CHARS].decode("utf-8", "backslashreplace")
    return MalformedRow(number=number, reason=reason, raw=raw[:MAX_RAW_CHARS])
