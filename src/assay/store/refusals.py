"""What a database driver says, as a sentence a user can act on.

Covers what the world does (a locked, absent, full or foreign database). A broken constraint or a wrong statement is
our own mistake and passes through as it is. Which database it was stands in `got` alone: a screen and a log show that,
a server's callers are not told it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from assay.schema.errors import AssayError, InputError, IntegrityError, shown

_BUSY = ("database is locked", "database table is locked", "lock timeout", "deadlock detected")
_UNREACHABLE = (
    "unable to open database file",
    "connection",
    "does not exist",
    "authentication failed",
    "the database system is",  # starting up, shutting down, in recovery mode
)
_LOST = ("25006", "25P03")  # SQLSTATE: a server that is only read from (after a fail-over); one that hung up
_FOREIGN = ("file is not a database", "disk image is malformed")


@contextmanager
def as_refusals(where: str) -> Iterator[None]:
    """Turn a driver's errors into AssayErrors. `where` is the database's URL without its password."""
    try:
        yield
    except DataError as error:
        raise InputError("The database does not take a value.", got=shown(_said(error))) from error
    except PoolTimeoutError as error:
        raise _refusal(where, "no connection came free in time") from error
    except (OperationalError, sqlite3.OperationalError) as error:
        raise _refusal(where, _said(error)) from error
    except (DBAPIError, sqlite3.DatabaseError) as error:
        said = _said(error)
        lost = isinstance(error, DBAPIError) and (
            error.connection_invalidated or getattr(error.orig, "sqlstate", "") in _LOST
        )
        if lost:
            raise _refusal(where, said or "the connection was lost") from error
        if not any(sign in said for sign in _FOREIGN):
            raise
        raise IntegrityError(
            "The database is damaged or is not an SQLite file.",
            got=f"{where}: {shown(said)}",
            next_step="restore it from a copy, or move it away and start with a new one",
        ) from error


def _said(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().partition("\n")[0]


def _refusal(where: str, said: str) -> AssayError:
    got = f"{where}: {shown(said)}"
    if any(sign in said for sign in _BUSY):
        return AssayError(
            "The database is busy: another process is writing to it.",
            got=got,
            next_step="wait until that process has finished and run the same command again",
        )
    if any(sign in said for sign in _UNREACHABLE):
        return AssayError(
            "The database cannot be reached.",
            required="a reachable server, or an SQLite file in an existing folder",
            got=got,
            next_step="check the URL; in a new project run: assay init",
        )
    return AssayError(
        "The database could not do what was asked; nothing was changed.",
        got=got,
        next_step="check that its disk has room and may be written to, then run the same command again",
    )
