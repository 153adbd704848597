"""Bringing a database to the newest schema, with the Alembic scripts of `migrations/`.

`migrate(read, begin, where=…)` looks at the recorded revision and runs what is missing, all of it in one transaction.
Scripts are append-only: a published one is never changed.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from assay.schema.errors import RefusedError, shown

VERSION_TABLE = "assay_schema"  # not Alembic's own name: a Postgres database may be shared with another product
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATING = 0x61737361  # "assa": the advisory lock of whoever migrates a Postgres database

Transaction: TypeAlias = Callable[[], AbstractContextManager[Connection]]


def migrate(read: Transaction, begin: Transaction, *, where: str) -> None:
    """Bring the database to the newest schema. Processes that come together queue; the later ones find nothing to do.

    A database at the newest schema is only read, so opening never waits for a writer. Raises RefusedError (a newer
    database).
    """
    script = ScriptDirectory(str(_MIGRATIONS))
    with read() as connection:
        if not _is_behind(connection, script, where=where):
            return
    with begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        if _is_behind(connection, script, where=where):
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
            command.upgrade(config, "head")


def _is_behind(connection: Connection, script: ScriptDirectory, *, where: str) -> bool:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    revision = context.get_current_revision()
    known = {item.revision for item in script.walk_revisions()}
    if revision is not None and revision not in known:
        raise RefusedError(
            f"The database {where} was written by a newer Assay.",
            required=f"a schema revision up to {script.get_current_head()}",
            got=f"revision {shown(revision)}",
            next_step="pip install --upgrade assay",
        )
    return revision != script.get_current_head()
