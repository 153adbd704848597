"""MLflow's SQLite store → traces in the shape of `Trace.to_dict()`. The file is another tool's, so it is opened
read-only and nothing in it is trusted to be what it is called.

Knows nothing of rows.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from assay.ingest.exchange.opinions import iso_time
from assay.schema.errors import InputError, IntegrityError, shown

_MARK = b"SQLite format 3\x00"
_TABLES = ("trace_info", "assessments", "spans", "trace_request_metadata", "trace_tags")


def is_sqlite(path: Path) -> bool:
    """Whether the file is a SQLite database, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK


def read_store(path: Path) -> Iterator[dict[str, Any]]:
    """The traces, oldest first. Raises InputError (not MLflow's), IntegrityError (damaged)."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA trusted_schema = OFF")
            _check_tables(database, path)
            ids = database.execute("SELECT request_id FROM trace_info ORDER BY timestamp_ms, request_id")
            for (trace_id,) in ids:
                yield _trace(database, trace_id)
    except sqlite3.DatabaseError as error:
        raise IntegrityError(
            f"{path.name} cannot be read as MLflow's store.",
            got=str(error),
            next_step="copy it while MLflow is stopped",
        ) from None


def _check_tables(database: sqlite3.Connection, path: Path) -> None:
    tables = {row["name"] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    missing = [name for name in _TABLES if name not in tables]
    if missing:
        raise InputError(
            f"{path.name} is no MLflow store with traces and assessments.",
            required=f"the tables {', '.join(_TABLES)}",
            got=f"no {', '.join(missing)}",
            next_step="export the traces as JSON where the store is older than MLflow 3.7",
        )


def _trace(database: sqlite3.Connection, trace_id: Any) -> dict[str, Any]:
    spans = database.execute("SELECT content FROM spans WHERE trace_id = ? ORDER BY start_time_unix_nano", (trace_id,))
    given = database.execute("SELECT * FROM assessments WHERE trace_id = ? ORDER BY created_timestamp", (trace_id,))
    info = {
        "trace_id": trace_id,
        "trace_metadata": _pairs(database, "trace_request_metadata", trace_id),
        "tags": _pairs(database, "trace_tags", trace_id),
        "assessments": [_assessment(row) for row in given],
    }
    return {"info": info, "data": {"spans": [_json(row["content"]) for row in spans]}}


def _pairs(database: sqlite3.Connection, table: str, trace_id: Any) -> dict[str, Any]:
    rows = database.execute(f"SELECT key, value FROM {table} WHERE request_id = ?", (trace_id,))  # noqa: S608 - a constant
    return {str(row["key"]): row["value"] for row in rows}


def _assessment(row: Mapping[str, Any]) -> dict[str, Any]:
    kind = "expectation" if row["assessment_type"] == "expectation" else "feedback"
    return {
        "assessment_name": row["name"],
        "source": {"source_type": row["source_type"], "source_id": row["source_id"]},
        "create_time": iso_time(row["created_timestamp"]),
        "last_update_time": iso_time(row["last_updated_timestamp"]),
        kind: {"value": _json(row["value"]), "error": _json(row["error"])},
        "rationale": row["rationale"],
        "valid": bool(row["valid"]),
    }


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return shown(text)
