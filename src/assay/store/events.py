"""The table of events: what was accepted to be judged later, and must not be lost.

An event waits (`waiting`) until it is ready and free, is claimed under a lease, and is `done` in the transaction that
writes its verdicts. While it waits its body is the text as it came, for that is what will be judged; when it is done
the body is replaced by what the caller wants kept.
"""

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

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
    text,
    update,
)

from assay.schema.errors import ConflictError, NotFoundError, shown
from assay.schema.ids import canonical_json, digest_json, utc_now
from assay.store import leases
from assay.store.leases import Lease, lease_columns
from assay.store.tables import KEY, check_key, insert_new, metadata, sequence_column, time_column

EventState: TypeAlias = Literal["waiting", "done"]
LateSpans: TypeAlias = Literal["apart", "drop"]
MOST_SPANS = 500  # of one event: a session that never ends is judged in parts
LONGEST_WAIT_S = 86_400.0  # an event that is ready later than this from now was written before the clock was set back

events = Table(
    "events",
    metadata,
    sequence_column(),
    Column("id", KEY, nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("ready_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    *lease_columns(),
    time_column("created_at"),
    Column("done_at", String, nullable=True),
    Index("ix_events_ready", "state", "ready_at", "sequence"),
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event. `body` is plain JSON; `attempts` counts how often it was claimed, this time included."""

    id: str
    body: Mapping[str, Any]
    attempts: int = 0
    ready_at_s: float = 0.0
    state: EventState = "waiting"
    created_at: str = ""
    done_at: str | None = None


def add(connection: Connection, new: Sequence[Event]) -> None:
    """Accept events. One that is there already, with the same body as it came, changes nothing; ConflictError else."""
    rows = [_row(event) for event in new]
    insert_new(connection, events, rows)
    wanted = {row["id"]: row["digest"] for row in rows}
    there = select(events.c.id, events.c.digest).where(events.c.id.in_(wanted))
    for event_id, digest in connection.execute(there):
        if wanted[event_id] != digest:
            raise ConflictError(
                f"There is another event with the id {shown(event_id)}.",
                required="one body for an id",
                next_step="send it under another id, or without one",
            )


def claim(connection: Connection, lease: Lease, limit: int) -> tuple[Event, ...]:
    """Take up to `limit` events that are ready, oldest first."""
    ready_at = events.c.ready_at
    ready = or_(ready_at <= lease.now_s, ready_at > lease.now_s + LONGEST_WAIT_S)
    rows = leases.claim(connection, events, and_(events.c.state == "waiting", ready), lease, limit)
    if rows:
        mine = update(events).where(events.c.sequence.in_([row["sequence"] for row in rows]))
        connection.execute(mine.values(attempts=events.c.attempts + 1))
    return tuple(_event({**row, "attempts": row["attempts"] + 1}) for row in rows)


def renew(connection: Connection, lease: Lease) -> None:
    """A worker is still at the events that it has claimed."""
    leases.renew(connection, events, lease)


def release(connection: Connection, owners: Collection[str]) -> int:
    """The events of these workers are free again. Returns how many."""
    return leases.release(connection, events, owners)


def finish(connection: Connection, owner: str, kept: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Event id → the body to keep: these are done, where `owner` still holds them. Returns the ids of those.

    One that another worker took over meanwhile is that worker's to finish, or is done already.
    """
    mine = select(events.c.id).where(events.c.id.in_(kept), events.c.owner == owner, events.c.state == "waiting")
    finished = frozenset(connection.scalars(mine.with_for_update()))
    for event_id in sorted(finished):
        values = {"state": "done", "body": canonical_json(kept[event_id]), "owner": None, "lease_until": None}
        connection.execute(update(events).where(events.c.id == event_id).values(**values, done_at=utc_now()))
    return finished


def gather(connection: Connection, event: Event, spans: Sequence[Mapping[str, Any]], late: LateSpans = "apart") -> int:
    """Add spans to the event of their trace or session, which is ready when it says; or begin one with them.

    A span that is known (by its `span_id`) is not taken twice. One that is being judged, or was, takes no more: spans
    that come later are late. They make an event of their own, `ID:2` (`late` = apart), or are left out (drop). An event
    of MOST_SPANS is full, and the next one is begun. Returns how many spans were late.
    """
    if connection.dialect.name == "postgresql":  # on SQLite a write transaction keeps everybody else out
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:id))"), {"id": event.id})
    left = {str(span["span_id"]): span for span in spans}
    is_late = False
    for number in itertools.count(1):
        here = event.id if number == 1 else f"{event.id}:{number}"
        row = connection.execute(select(events).where(events.c.id == here).with_for_update()).mappings().first()
        if row is None:
            body = {**event.body, "spans": list(left.values()), "span_ids": list(left)}
            add(connection, [replace(event, id=here, body=body)])
            break
        body = json.loads(row["body"])
        left = {key: span for key, span in left.items() if key not in body.get("span_ids", ())}
        if not left:
            return 0
        is_open = row["state"] == "waiting" and row["owner"] is None and "spans" in body
        if is_open and len(body["span_ids"]) < MOST_SPANS:
            _grow(connection, here, body, left, event.ready_at_s)
            break
        is_late = is_late or (not is_open and 0 < len(body.get("span_ids", ())) < MOST_SPANS)
        if is_late and late == "drop":
            break
    return len(left) if is_late else 0


def get(connection: Connection, event_id: str) -> Event:
    """One event. Raises NotFoundError."""
    row = connection.execute(select(events).where(events.c.id == event_id)).mappings().first()
    if row is None:
        raise NotFoundError(f"There is no event {shown(event_id)}.", next_step="check the id that POST /v1/events gave")
    return _event(dict(row))


def waiting(connection: Connection) -> int:
    """How many events wait, claimed ones included."""
    return connection.scalar(select(func.count()).select_from(events).where(events.c.state == "waiting")) or 0


def forget_before(connection: Connection, created_at: str) -> int:
    """Delete the done events that are older than a time. Returns how many."""
    old = and_(events.c.state == "done", events.c.created_at < created_at)
    return connection.execute(delete(events).where(old)).rowcount


def _grow(
    connection: Connection,
    event_id: str,
    body: Mapping[str, Any],
    more: Mapping[str, Mapping[str, Any]],
    ready_at_s: float,
) -> None:
    grown = {**body, "spans": [*body["spans"], *more.values()], "span_ids": [*body["span_ids"], *more]}
    values = {"body": canonical_json(grown), "ready_at": ready_at_s}
    connection.execute(update(events).where(events.c.id == event_id).values(values))


def _row(event: Event) -> dict[str, Any]:
    return {
        "id": check_key(event.id, "An event's id"),
        "digest": digest_json(event.body),
        "body": canonical_json(event.body),
        "state": "waiting",
        "ready_at": event.ready_at_s,
        "attempts": 0,
        "created_at": utc_now(),
    }


def _event(row: Mapping[str, Any]) -> Event:
    return Event(
        id=row["id"],
        body=json.loads(row["body"]),
        attempts=row["attempts"],
        ready_at_s=row["ready_at"],
        state=row["state"],
        created_at=row["created_at"],
        done_at=row["done_at"],
    )
