"""A whole JSON file, bounded: what the tools write as one list or object is not read line by line.

`read_json(path)` and `parse(data)` give NaN and infinities, which Python's tools write, as None. Knows no format.
"""

import json
from pathlib import Path
from typing import Any

from assay.ingest.row import MalformedRow, Row, malformed
from assay.schema.errors import InputError, NotFoundError, shown

MAX_BYTES = 256 << 20  # Python holds some ten times as much while it is read


def read_json(path: Path) -> Any:
    """The value in a file. Raises NotFoundError, InputError: too large, not UTF-8, not JSON."""
    if not path.exists():
        raise NotFoundError(f"There is no file {shown(str(path))}.", next_step="check the path")
    if not path.is_file():
        raise InputError("A JSON file is wanted.", required="a file", got=f"the folder {shown(str(path))}")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"{path.name} is too large to be read as one JSON value.",
            required=f"at most {MAX_BYTES:,} bytes",
            got=f"{size:,} bytes",
            next_step="export it in parts",
        )
    return parse(path.read_bytes(), path.name)


def parse(data: bytes, name: str) -> Any:
    """The value in a JSON text; `name` stands in errors. Raises InputError."""
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=lambda constant: None)
    except (ValueError, RecursionError) as error:
        got = "nesting too deep" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{name} is not JSON.", required="one JSON value in UTF-8", got=got) from None


def item_row(number: int, item: Any, values: dict[str, Any] | str) -> Row | MalformedRow:
    """A row of values, or, where these are a reason, the item as a malformed one."""
    if isinstance(values, str):
        return malformed(number, values, json.dumps(item, ensure_ascii=True, default=repr))
    return Row(number=number, values=values)
