"""JSON lines: one object a line, read in constant memory.

`read_jsonl(stream)` yields a Row for each non-blank line, or a MalformedRow that says why not. Knows nothing of files:
it takes an open binary stream.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from assay.ingest.row import MAX_LINE_BYTES, ReadRow, Row, malformed
from assay.schema.errors import shown

_BOM = b"\xef\xbb\xbf"


def read_jsonl(stream: BinaryIO) -> Iterator[ReadRow]:
    """Rows of a binary stream, one JSON object a line; blank lines are passed over."""
    for number, line in numbered_lines(stream):
        if len(line) > MAX_LINE_BYTES:
            yield malformed(number, f"the line is longer than {MAX_LINE_BYTES:,} bytes", line)
        else:
            yield _parsed(number, line)


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Non-blank lines with their numbers from 1; of an over-long line only the first `MAX_LINE_BYTES + 1` bytes."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            _skip_to_next_line(stream)
        line = line.removeprefix(_BOM) if number == 1 else line
        if line.strip():
            yield number, line


def _skip_to_next_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
        pass


def _parsed(number: int, line: bytes) -> ReadRow:
    try:
        values = parse_json(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return malformed(number, f"not valid UTF-8 (byte {error.start + 1} of the line)", line)
    except RecursionError:
        return malformed(number, "the JSON is nested too deeply", line)
    except json.JSONDecodeError as error:
        return malformed(number, f"not valid JSON: {error.msg} at character {error.pos + 1}", line)
    except ValueError as error:
        return malformed(number, f"not valid JSON: {error}", line)
    if not isinstance(values, dict):
        return malformed(number, f"not a JSON object but {shown(values, 40)}", line)
    return Row(number=number, values=values)


def parse_json(text: str) -> Any:
    """Strict JSON: no NaN, no infinity, no key twice in one object. Raises ValueError (JSONDecodeError),
    RecursionError.
    """
    return _DECODER.decode(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {shown(next(name for name in names if names.count(name) > 1))} stands twice")
    return values


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refused)
