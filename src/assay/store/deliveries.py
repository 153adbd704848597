"""The table of webhook deliveries: verdicts that still have to be told to somebody, at least once.

A delivery is written in the transaction that finishes its event. `webhook` is a name in assay.toml; no address is
stored.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from assay.schema.ids import utc_now
from assay.store import leases
from assay.store.leases import Lease, lease_columns
from assay.store.tables import KEY, check_key, insert_new, metadata, sequence_column, time_column

deliveries = Table(
    "deliveries",
    metadata,
    sequence_column(),
    Column("id", KEY, nullable=False, unique=True),
    Column("webhook", KEY, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String, nullable=False),  # waiting, delivered, given-up
    Column("next_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("problem", String, nullable=True),
    *lease_columns(),
    time_column("created_at"),
    Index("ix_deliveries_next", "state", "next_at"),
)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message for one webhook; `attempts` counts how often it was tried before."""

    id: str
    webhook: str
    body: str
    attempts: int = 0


def add(connection: Connection, new: Sequence[Delivery]) -> None:
    """Queue deliveries; one that is there already changes nothing."""
    rows = [
        {
            "id": check_key(delivery.id, "A delivery's id"),
            "webhook": delivery.webhook,
            "body": delivery.body,
            "state": "waiting",
            "next_at": 0.0,
            "attempts": 0,
            "created_at": utc_now(),
        }
        for delivery in new
    ]
    insert_new(connection, deliveries, rows)


def claim(connection: Connection, lease: Lease, limit: int, pauses_s: Sequence[float]) -> tuple[Delivery, ...]:
    """Take up to `limit` deliveries that are due.

    `pauses_s` are those after the first failed attempt, the second, …: one that would wait for longer than its own was
    written before the clock was set back, and is due.
    """
    here = deliveries.c
    set_back = [and_(here.attempts == number, here.next_at > lease.now_s + s) for number, s in enumerate(pauses_s, 1)]
    due = and_(here.state == "waiting", or_(here.next_at <= lease.now_s, *set_back))
    return tuple(map(_delivery, leases.claim(connection, deliveries, due, lease, limit)))


def release(connection: Connection, owners: Collection[str]) -> int:
    """The deliveries of these workers are free again. Returns how many."""
    return leases.release(connection, deliveries, owners)


def delivered(connection: Connection, delivery_id: str) -> None:
    """The other side took it."""
    _update(connection, delivery_id, {"state": "delivered"})


def failed(connection: Connection, delivery_id: str, *, problem: str, next_at_s: float | None) -> None:
    """It was not taken. `next_at_s` (seconds since 1970) is when to try again; None gives up."""
    state = {"state": "given-up"} if next_at_s is None else {"next_at": next_at_s}
    _update(connection, delivery_id, {**state, "problem": problem, "attempts": deliveries.c.attempts + 1})


def waiting(connection: Connection) -> int:
    """How many still have to be delivered."""
    return connection.scalar(select(func.count()).select_from(deliveries).where(deliveries.c.state == "waiting")) or 0


def forget_before(connection: Connection, created_at: str) -> int:
    """Delete the finished deliveries that are older than a time. Returns how many."""
    old = and_(deliveries.c.state != "waiting", deliveries.c.created_at < created_at)
    return connection.execute(delete(deliveries).where(old)).rowcount


def _update(connection: Connection, delivery_id: str, values: Mapping[str, Any]) -> None:
    row = update(deliveries).where(deliveries.c.id == delivery_id)
    connection.execute(row.values(**values, owner=None, lease_until=None))


def _delivery(row: Mapping[str, Any]) -> Delivery:
    return Delivery(id=row["id"], webhook=row["webhook"], body=row["body"], attempts=row["attempts"])
