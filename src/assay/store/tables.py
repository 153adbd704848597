"""What the table modules share: the metadata, column types, the text form of records, and the lock of a writer.

Times are ISO 8601 UTC text and records are canonical JSON text, so that rows read the same on SQLite and on Postgres.
Knows no table by name.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import postgresql, sqlite

from assay.schema.errors import InputError, shown
from assay.schema.ids import canonical_json
from assay.schema.records import record_from, to_jsonable

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Compared and sorted by bytes on both databases: a dataset's digest must not depend on a server's locale.
KEY = String().with_variant(String(collation="C"), "postgresql")
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

BATCH_ROWS = 500  # rows that may be in memory at once; a row can hold a text of a megabyte

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_IN_KEYS = re.compile("[\x00\ud800-\udfff]")

Record = TypeVar("Record")
Item = TypeVar("Item")


def sequence_column() -> Column[int]:
    """The primary key of a table whose rows are read in the order in which they were written."""
    return Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True)


def record_column() -> Column[str]:
    """The column of a record's canonical JSON."""
    return Column("record", Text, nullable=False)


def time_column(name: str) -> Column[str]:
    """The column of a time."""
    return Column(name, String, nullable=False)


def to_text(record: Any) -> str:
    """A record as canonical JSON that any database takes: a lone surrogate is escaped, as UTF-8 has no form for it."""
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", canonical_json(to_jsonable(record)))


def from_text(cls: type[Record], text: str, *, where: str) -> Record:
    """The inverse of `to_text`. `where` names the row in the error. Raises InputError."""
    return record_from(cls, json.loads(text), where=where)


def can_be_key(text: str) -> bool:
    """Whether a text can stand in a key column."""
    return bool(text) and not _NOT_IN_KEYS.search(text)


def check_key(text: str, what: str) -> str:
    """The text itself if it can stand in a key column. Raises InputError."""
    if can_be_key(text):
        return text
    raise InputError(
        f"{what} cannot be stored.",
        required="a text that is not empty, without NUL and lone surrogates",
        got=shown(text),
    )


def in_batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Consecutive lists of up to BATCH_ROWS items."""
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH_ROWS)):
        yield batch


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; one whose key is there already is left out, and what is there stays as it is."""
    if rows:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def lock(connection: Connection, *tables: Table) -> None:
    """Keep every other writer out of these tables until the transaction ends; readers go on.

    On SQLite this holds from the start of a write transaction (BEGIN IMMEDIATE).
    """
    _lock(connection, tables, "SHARE ROW EXCLUSIVE")


def take_turns(connection: Connection, *tables: Table) -> None:
    """Let one transaction after another write to these tables: who takes turns, too, waits until this one ends. Readers
    go on, and so does a writer who does not ask, for what it writes does not depend on who came first.

    On SQLite this holds from the start of a write transaction (BEGIN IMMEDIATE).
    """
    _lock(connection, tables, "SHARE UPDATE EXCLUSIVE")


def _lock(connection: Connection, tables: Sequence[Table], mode: str) -> None:
    if connection.dialect.name == "postgresql":
        names = ", ".join(sorted(table.name for table in tables))
        connection.exec_driver_sql(f"LOCK TABLE {names} IN {mode} MODE")
