"""The table of criteria: every version that labels, datasets or judges are bound to."""

from sqlalchemy import Column, Connection, String, Table, insert, select

from assay.schema.criterion import Criterion
from assay.schema.errors import ConflictError, NotFoundError, shown
from assay.schema.ids import short, utc_now
from assay.store.tables import (
    KEY,
    check_key,
    from_text,
    lock,
    metadata,
    record_column,
    sequence_column,
    time_column,
    to_text,
)

criteria = Table(
    "criteria",
    metadata,
    sequence_column(),
    Column("key", KEY, nullable=False, unique=True),
    Column("name", KEY, nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    record_column(),
    time_column("created_at"),
)


def record(connection: Connection, criterion: Criterion) -> None:
    """Record a criterion; the same again changes nothing. Raises ConflictError when its version had other words."""
    lock(connection, criteria)
    key = check_key(criterion.key, "A criterion's key")
    known = connection.scalar(select(criteria.c.digest).where(criteria.c.key == key))
    if known is None:
        row = {"key": key, "name": criterion.name, "digest": criterion.digest, "record": to_text(criterion)}
        connection.execute(insert(criteria).values(**row, created_at=utc_now()))
    elif known != criterion.digest:
        raise ConflictError(
            f"Criterion {key!r} was used before with other content.",
            required=f"the content with digest {short(known)}, to which labels, datasets or judges are bound",
            got=f"digest {short(criterion.digest)}",
            next_step=f"raise `version` in criteria/{criterion.name}.toml, or take the change back",
        )


def get(connection: Connection, key: str) -> Criterion:
    """The criterion of a key such as `advice/1`. Raises NotFoundError."""
    text = connection.scalar(select(criteria.c.record).where(criteria.c.key == key))
    if text is None:
        keys = list(connection.scalars(select(criteria.c.key).order_by(criteria.c.sequence)))
        raise NotFoundError(
            f"No criterion {shown(key)} was recorded.",
            required=f"one of {shown(keys, 200)}" if keys else "",
            next_step="import data with this criterion first: assay data import",
        )
    return from_text(Criterion, text, where=f"criterion {key}")


def latest(connection: Connection, name: str) -> Criterion | None:
    """The version of a criterion that was recorded last; None when there is none."""
    newest = select(criteria.c.record).where(criteria.c.name == name).order_by(criteria.c.sequence.desc()).limit(1)
    text = connection.scalar(newest)
    return None if text is None else from_text(Criterion, text, where=f"criterion {name}")


def every(connection: Connection) -> tuple[Criterion, ...]:
    """All criteria, oldest first."""
    rows = connection.scalars(select(criteria.c.record).order_by(criteria.c.sequence))
    return tuple(from_text(Criterion, text, where="a criterion of the database") for text in rows)
