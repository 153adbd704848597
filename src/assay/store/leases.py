"""Leases: how workers claim rows of a queue, so that each is worked on by one and none is lost with its worker.

A worker that claims a row writes its name and an end into it. The row is free when it has no owner, when its lease has
ended, or when the lease ends later than any lease given now could: then the clock was set back since. On Postgres
workers pass over rows that another one is claiming (SKIP LOCKED); on SQLite a write transaction has the file to itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Float, Table, or_, select, update

from assay.store.tables import KEY


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who claims, when (seconds since 1970), and for how long."""

    owner: str
    now_s: float
    length_s: float


def lease_columns() -> tuple[Column[str], Column[float]]:
    """The columns `owner` and `lease_until` (seconds since 1970)."""
    return Column("owner", KEY, nullable=True), Column("lease_until", Float, nullable=True)


def claim(
    connection: Connection, table: Table, ready: ColumnElement[bool], lease: Lease, limit: int
) -> Sequence[dict[str, Any]]:
    """Take up to `limit` ready and free rows for a worker, in the order of their sequence; as they were before."""
    here = table.c
    free = or_(here.owner.is_(None), here.lease_until < lease.now_s, here.lease_until > lease.now_s + lease.length_s)
    wanted = select(table).where(ready, free).order_by(here.sequence).limit(limit).with_for_update(skip_locked=True)
    rows = [dict(row) for row in connection.execute(wanted).mappings()]
    if rows:
        mine = update(table).where(here.sequence.in_([row["sequence"] for row in rows]))
        connection.execute(mine.values(owner=lease.owner, lease_until=lease.now_s + lease.length_s))
    return rows


def renew(connection: Connection, table: Table, lease: Lease) -> None:
    """A worker is still at what it has claimed."""
    mine = update(table).where(table.c.owner == lease.owner)
    connection.execute(mine.values(lease_until=lease.now_s + lease.length_s))


def release(connection: Connection, table: Table, owners: Collection[str]) -> int:
    """What these workers have claimed is free again: they stopped, or are known to be dead. Returns how many rows."""
    theirs = update(table).where(table.c.owner.in_(owners))
    return connection.execute(theirs.values(owner=None, lease_until=None)).rowcount
