"""Database: opening, migrating, and the transactions everything else runs in.

    database = open_database("sqlite:////project/.assay/assay.db")   # or postgresql://user@host/name
    with database.begin() as connection:    # a write transaction: all of it or nothing
        criteria.record(connection, criterion)
    with database.read() as connection:     # one state of the database, however long the reading takes
        criteria.get(connection, "advice/1")

A write transaction must not be opened inside another one: on SQLite the second would wait for the first. Knows no
table.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from assay.schema.errors import InputError, MissingExtraError, shown
from assay.store.migrate import migrate
from assay.store.refusals import as_refusals

__all__ = [
    "Connection",
    "Database",
    "open_database",
]  # Connection: named in signatures above the store, where no SQL may be

BUSY_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10
# libpq's: a network that swallows everything is noticed within seconds, not after the two hours of TCP's own default
TCP_PATIENCE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
TURN_TIMEOUT_S = 5.0
_SWITCH_RETRY_S = 0.02
_BEGIN = "assay_begin"  # execution option: the statement that opens a transaction on SQLite


class Database:
    """An open database at the newest schema. Safe to share between threads, not between processes."""

    def __init__(self, engine: Engine, *, where: str) -> None:
        self._engine = engine
        self._where = where
        # SQLite polls for its lock; threads of one process queue here instead, and are served in order
        self._writer = threading.Lock() if engine.dialect.name == "sqlite" else None
        if engine.dialect.name == "sqlite":
            self._writing: Engine = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            self._reading: Engine = engine.execution_options(**{_BEGIN: "BEGIN"})
        else:
            self._writing = engine
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction: committed at the end, rolled back on any exception. Raises AssayError."""
        with self._turn(), as_refusals(self._where), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction that sees one state of the database throughout. Raises AssayError."""
        with as_refusals(self._where), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        mine = self._writer is not None and self._writer.acquire(timeout=TURN_TIMEOUT_S)
        try:
            yield  # without a turn in time, SQLite itself says that the database is busy
        finally:
            if mine and self._writer is not None:
                self._writer.release()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Database:
    """Open the database at `url` at the newest schema; an absent SQLite file is made, its folder is not.

    Several processes may open a new database at once. Args: `url`, `sqlite:///FILE` or `postgresql://…`;
    `busy_timeout_s`, how long a transaction waits for another writer. Raises InputError (url), MissingExtraError,
    RefusedError (a database newer than this Assay), AssayError (unreachable, busy).
    """
    parsed = _parse(url)
    where = parsed.render_as_string(hide_password=True)
    engine = _engine(parsed, busy_timeout_s)
    database = Database(engine, where=where)
    try:
        with as_refusals(where):
            if parsed.get_backend_name() == "sqlite":
                _use_write_ahead_log(engine, busy_timeout_s)
        migrate(database.read, database.begin, where=where)
    except BaseException:
        database.close()
        raise
    return database


def _parse(url: str) -> URL:
    required = "sqlite:///FILE or postgresql://USER@HOST/NAME"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InputError("The database URL cannot be read.", required=required, got=f"{len(url)} characters") from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or parsed.database in (None, "", ":memory:"):
        shown_url = shown(parsed.render_as_string(hide_password=True))
        raise InputError("This kind of database is not supported.", required=required, got=shown_url)
    return parsed.set(drivername="sqlite")


def _engine(url: URL, busy_timeout_s: float) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": busy_timeout_s}, hide_parameters=True)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(
            url,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S, **TCP_PATIENCE},
            pool_pre_ping=True,
            hide_parameters=True,  # they are users' texts, and an error's message may come to a log
        )
    except ModuleNotFoundError:
        raise MissingExtraError(
            "A Postgres database needs the psycopg driver.", next_step="pip install 'assay[postgres]'"
        ) from None

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        connection.execute(f"SET lock_timeout = {round(busy_timeout_s * 1000)}")
        connection.commit()

    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # sqlite3 must not open transactions by itself: `_begin_sqlite` does
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if statement == 'BEGIN IMMEDIATE' else 'ON'}")
    connection.exec_driver_sql(statement)


def _use_write_ahead_log(engine: Engine, busy_timeout_s: float) -> None:
    """Readers then never wait for a writer. The mode is a property of the file, so it is set once.

    SQLite itself does not wait for the lock that this switch needs, and processes may open a new file together.
    """
    deadline_s = time.monotonic() + busy_timeout_s
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                cursor.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(_SWITCH_RETRY_S)
