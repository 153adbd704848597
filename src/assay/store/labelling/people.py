"""The tables of labellers and of their sign-ins.

Secrets and session tokens come here hashed; how is the business of `assay.labelling.labellers`. A labeller who is
removed keeps the row, for labels name them, and can sign in no more.
"""

from dataclasses import dataclass

from sqlalchemy import Boolean, Column, Connection, ForeignKey, String, Table, delete, insert, select, update

from assay.schema.errors import ConflictError, NotFoundError, shown
from assay.schema.ids import utc_now
from assay.schema.label import LabelSource
from assay.store.tables import KEY, check_key, metadata, time_column

labellers = Table(
    "labellers",
    metadata,
    Column("name", KEY, primary_key=True),
    Column("source", String, nullable=False),
    Column("adjudicates", Boolean, nullable=False),
    Column("secret", String, nullable=False),
    time_column("created_at"),
    Column("removed_at", String, nullable=True),
)

label_sessions = Table(
    "label_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("labeller", KEY, ForeignKey(labellers.c.name), nullable=False, index=True),
    time_column("created_at"),
    time_column("expires_at"),
)

_SHOWN = (labellers.c.name, labellers.c.source, labellers.c.adjudicates, labellers.c.created_at, labellers.c.removed_at)


@dataclass(frozen=True, kw_only=True)
class Labeller:
    """Someone who labels. `source` is what their labels count as; `adjudicates` lets them decide disagreements."""

    name: str
    source: LabelSource
    adjudicates: bool
    created_at: str
    removed_at: str | None = None


def add(connection: Connection, labeller: Labeller, hashed_secret: str) -> None:
    """Record a labeller; one who was removed comes back with the new secret. Raises ConflictError (a taken name)."""
    name = check_key(labeller.name, "A labeller's name")
    known = connection.execute(select(labellers.c.removed_at).where(labellers.c.name == name)).one_or_none()
    if known is not None and known[0] is None:
        raise ConflictError(
            f"There is a labeller {shown(name)} already.",
            required="a free name",
            next_step=f"take another name, or give a new secret: assay label labellers remove {name}, then add",
        )
    row = {"source": labeller.source, "adjudicates": labeller.adjudicates, "secret": hashed_secret}
    if known is None:
        connection.execute(insert(labellers).values(name=name, created_at=labeller.created_at, **row))
    else:
        connection.execute(update(labellers).where(labellers.c.name == name).values(removed_at=None, **row))


def remove(connection: Connection, name: str) -> None:
    """Let a labeller sign in no more and end their sessions; their labels stay. Raises NotFoundError."""
    get(connection, name)
    connection.execute(update(labellers).where(labellers.c.name == name).values(removed_at=utc_now()))
    connection.execute(delete(label_sessions).where(label_sessions.c.labeller == name))


def get(connection: Connection, name: str) -> Labeller:
    """A labeller who may sign in. Raises NotFoundError."""
    row = connection.execute(select(*_SHOWN).where(labellers.c.name == name)).mappings().one_or_none()
    if row is None or row["removed_at"] is not None:
        names = [one.name for one in every(connection) if one.removed_at is None]
        raise NotFoundError(
            f"There is no labeller {shown(name)}.",
            required=f"one of {shown(names, 200)}" if names else "",
            next_step="assay label labellers add NAME",
        )
    return Labeller(**row)


def every(connection: Connection) -> tuple[Labeller, ...]:
    """All labellers by name, removed ones too."""
    rows = connection.execute(select(*_SHOWN).order_by(labellers.c.name)).mappings()
    return tuple(Labeller(**row) for row in rows)


def hashed_secret(connection: Connection, name: str) -> str | None:
    """The hash of a labeller's secret; None where nobody of this name may sign in."""
    here = (labellers.c.name == name) & labellers.c.removed_at.is_(None)
    return connection.scalar(select(labellers.c.secret).where(here))


def open_session(connection: Connection, digest: str, name: str, expires_at: str) -> None:
    """Record a sign-in by the digest of its token; sessions that have run out go."""
    now = utc_now()
    connection.execute(delete(label_sessions).where(label_sessions.c.expires_at < now))
    row = {"digest": digest, "labeller": name, "created_at": now, "expires_at": expires_at}
    connection.execute(insert(label_sessions).values(row))


def signed_in(connection: Connection, digest: str) -> Labeller | None:
    """Whose session this is; None where there is none, or it has run out."""
    row = (
        connection.execute(
            select(*_SHOWN)
            .join(label_sessions, label_sessions.c.labeller == labellers.c.name)
            .where(label_sessions.c.digest == digest, label_sessions.c.expires_at > utc_now())
            .where(labellers.c.removed_at.is_(None))
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else Labeller(**row)


def end_session(connection: Connection, digest: str) -> None:
    """Sign out."""
    connection.execute(delete(label_sessions).where(label_sessions.c.digest == digest))
