"""The tables of aliases (where each points now) and promotions (how it got there).

`move` is the only way to change an alias, and it writes the log in the same transaction. The log is append-only: the
database itself refuses to change or delete its rows. Who may move an alias is the registry's business.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypeAlias

from sqlalchemy import Column, Connection, ForeignKey, String, Table, Text, delete, insert, select

from assay.schema.ids import utc_now
from assay.store.judges import judge_versions
from assay.store.tables import KEY, lock, metadata, sequence_column, time_column

Alias: TypeAlias = Literal["candidate", "shadow", "canary", "champion"]
Move: TypeAlias = Literal["set", "promote", "rollback"]

aliases = Table(
    "aliases",
    metadata,
    Column("name", KEY, primary_key=True),
    Column("alias", KEY, primary_key=True),
    Column("version", KEY, ForeignKey(judge_versions.c.id), nullable=False),
    time_column("moved_at"),
)

promotions = Table(
    "promotions",
    metadata,
    sequence_column(),
    Column("name", KEY, nullable=False, index=True),
    Column("alias", KEY, nullable=False),
    Column("move", String, nullable=False),
    Column("version", KEY, ForeignKey(judge_versions.c.id), nullable=True),
    Column("previous", KEY, ForeignKey(judge_versions.c.id), nullable=True),
    Column("by", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("waiver", Text, nullable=True),
    time_column("at"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One row of the promotions log; `waiver` is the text that stood in for failed gates.

    `version` and `previous` are version ids. `sequence`, `previous` and `at` are given by the log: leave them out when
    moving an alias.
    """

    name: str
    alias: Alias
    move: Move
    version: str | None
    by: str
    reason: str
    waiver: str | None = None
    previous: str | None = None
    at: str = ""
    sequence: int = 0


def lock_log(connection: Connection) -> None:
    """Keep every other mover of aliases waiting until the transaction ends; what is read now stays true until then."""
    lock(connection, aliases, promotions)


def move(connection: Connection, promotion: Promotion) -> Promotion:
    """Point an alias at a version (None takes the alias away) and log it. Returns the row as logged."""
    lock_log(connection)
    here = (aliases.c.name == promotion.name) & (aliases.c.alias == promotion.alias)
    previous = connection.scalar(select(aliases.c.version).where(here))
    logged = replace(promotion, previous=previous, at=utc_now())
    row = {column: value for column, value in asdict(logged).items() if column != "sequence"}
    result = connection.execute(insert(promotions).values(row).returning(promotions.c.sequence))
    connection.execute(delete(aliases).where(here))
    if logged.version is not None:
        now = {"name": logged.name, "alias": logged.alias, "version": logged.version, "moved_at": logged.at}
        connection.execute(insert(aliases).values(now))
    return replace(logged, sequence=result.scalar_one())


def pointing(connection: Connection, name: str) -> Mapping[str, str]:
    """Alias → version id, for the aliases of this name that are set."""
    rows = select(aliases.c.alias, aliases.c.version).where(aliases.c.name == name).order_by(aliases.c.alias)
    return dict(connection.execute(rows).all())


def every_pointing(connection: Connection) -> Mapping[str, Mapping[str, str]]:
    """Name → alias → version id, for all aliases that are set."""
    found: dict[str, dict[str, str]] = {}
    for name, alias, version in connection.execute(select(aliases.c.name, aliases.c.alias, aliases.c.version)):
        found.setdefault(name, {})[alias] = version
    return found


def history(connection: Connection, name: str, alias: str | None = None) -> tuple[Promotion, ...]:
    """The log of a name, or of one of its aliases, oldest first."""
    rows = select(promotions).where(promotions.c.name == name).order_by(promotions.c.sequence)
    if alias is not None:
        rows = rows.where(promotions.c.alias == alias)
    return tuple(Promotion(**row) for row in connection.execute(rows).mappings())
