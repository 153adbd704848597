"""The tables of assignments (who holds or has answered which item) and of members (how far each labeller is).

    claim(connection, "advice-1", "mia", 3)     # positions that Mia holds now; the same ones until she answers
    settle(connection, "advice-1", 17)          # after anything changed about item 17

Made for queues of 100,000 items: a labeller's next item is found by index from where they were last, counters are kept
with their rows, and nothing is counted when somebody presses a key. Call inside one write transaction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    delete,
    exists,
    false,
    func,
    insert,
    select,
    update,
)

from assay.schema.ids import utc_now
from assay.schema.label import ADJUDICATION
from assay.store.examples import NO_TEXT, labels
from assay.store.labelling.queues import FINISHED, ItemState, label_queue_items, label_queues
from assay.store.tables import BATCH_ROWS, KEY, metadata

Held: TypeAlias = Literal["claimed", "labelled", "skipped"]
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")  # an event's
CLAIM_HOURS = 2  # a claim that was not answered for so long goes to whoever finds nothing else

label_members = Table(
    "label_members",
    metadata,
    Column("queue", KEY, ForeignKey(label_queues.c.name), primary_key=True),
    Column("labeller", KEY, primary_key=True),
    Column("cursor", Integer, nullable=False),
    Column("labelled", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
)

label_assignments = Table(
    "label_assignments",
    metadata,
    Column("queue", KEY, ForeignKey(label_queues.c.name), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("labeller", KEY, primary_key=True),
    Column("state", String, nullable=False),
    Column("value", KEY, nullable=True),
    Column("event", _SEQUENCE, nullable=True),
    Column("since", String, nullable=False),
    Index("ix_label_assignments_state", "queue", "state", "since"),
    Index("ix_label_assignments_mine", "queue", "labeller", "state", "event"),
)

_ITEM = label_queue_items.c
_WORK = label_assignments.c


@dataclass(frozen=True, kw_only=True)
class Member:
    """How far a labeller is in a queue. `seconds` of attention went into the answers; `cursor` is the last position
    that was offered.
    """

    cursor: int = -1
    labelled: int = 0
    skipped: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a labeller holds of an item, or made of it. `event` is the answer's row in the log."""

    labeller: str
    state: Held
    value: str | None
    event: int | None


def member(connection: Connection, queue: str, labeller: str) -> Member:
    """How far a labeller is; at the beginning where there is no row yet."""
    row = connection.execute(select(label_members).where(*_of_member(queue, labeller))).mappings().one_or_none()
    return Member() if row is None else Member(**{name: row[name] for name in vars(Member())})


def credit(connection: Connection, queue: str, labeller: str, change: Member) -> None:
    """Add to a member's counters (negative to take back)."""
    now = member(connection, queue, labeller)
    _keep_member(
        connection,
        queue,
        labeller,
        replace(
            now,
            labelled=now.labelled + change.labelled,
            skipped=now.skipped + change.skipped,
            seconds=max(0.0, now.seconds + change.seconds),
        ),
    )


def claim(connection: Connection, queue: str, labeller: str, count: int) -> list[int]:
    """The positions that a labeller holds, filled up to `count` with the next free items; the answer taken back
    last comes first. Fewer, or none, where nothing is left for them.
    """
    connection.execute(select(label_queues.c.name).where(label_queues.c.name == queue).with_for_update())
    mine = (_WORK.queue == queue) & (_WORK.labeller == labeller) & (_WORK.state == "claimed")
    rows = connection.execute(select(_WORK.event, _WORK.since, _WORK.position).where(mine)).all()
    taken_back = sorted((row for row in rows if row.event is not None), key=lambda row: row.since, reverse=True)
    others = sorted((row for row in rows if row.event is None), key=lambda row: (row.since, row.position))
    held = [row.position for row in (*taken_back, *others)]
    if len(held) >= count:
        return held[:count]
    now = member(connection, queue, labeller)
    cursor, wrapped, released = now.cursor, now.cursor < 0, False
    while len(held) < count:
        position = _next_free(connection, queue, labeller, cursor)
        if position is not None:
            hold(connection, queue, position, labeller)
            held.append(position)
            cursor = position
        elif not wrapped:
            cursor, wrapped = -1, True
        elif not released:
            _release_forgotten(connection, queue, labeller)
            cursor, released = -1, True
        else:
            break
    _keep_member(connection, queue, labeller, replace(now, cursor=cursor))
    return held


def hold(connection: Connection, queue: str, position: int, labeller: str, event: int | None = None) -> None:
    """Give an item to a labeller, whatever they had done with it; `event` is the answer that they took back."""
    connection.execute(delete(label_assignments).where(*_of_item(queue, position), _WORK.labeller == labeller))
    row = {"queue": queue, "position": position, "labeller": labeller, "state": "claimed", "since": utc_now()}
    connection.execute(insert(label_assignments).values(**row, value=None, event=event))
    settle(connection, queue, position)


def mark(connection: Connection, queue: str, position: int, assignment: Assignment) -> None:
    """Record what a labeller made of an item."""
    connection.execute(
        delete(label_assignments).where(*_of_item(queue, position), _WORK.labeller == assignment.labeller)
    )
    row = {"queue": queue, "position": position, "since": utc_now(), **vars(assignment)}
    connection.execute(insert(label_assignments).values(row))
    settle(connection, queue, position)


def drop(connection: Connection, queue: str, position: int, labeller: str) -> None:
    """Forget what a labeller held of an item or made of it."""
    connection.execute(delete(label_assignments).where(*_of_item(queue, position), _WORK.labeller == labeller))
    settle(connection, queue, position)


def offer_skipped_again(connection: Connection, queue: str, labeller: str) -> int:
    """Let a labeller see the items again that they skipped. Returns how many."""
    mine = (_WORK.queue == queue) & (_WORK.labeller == labeller) & (_WORK.state == "skipped")
    skipped = connection.execute(delete(label_assignments).where(mine)).rowcount
    now = member(connection, queue, labeller)
    _keep_member(connection, queue, labeller, replace(now, cursor=-1, skipped=0))
    return skipped


def release(connection: Connection, labeller: str) -> None:
    """Free whatever a labeller holds, in every queue: they left."""
    mine = (_WORK.labeller == labeller) & (_WORK.state == "claimed")
    rows = connection.execute(select(_WORK.queue, _WORK.position).where(mine)).all()
    for queue, position in rows:
        drop(connection, queue, position, labeller)


def assignments(connection: Connection, queue: str, position: int) -> tuple[Assignment, ...]:
    """Everybody's part in an item, by labeller."""
    columns = (_WORK.labeller, _WORK.state, _WORK.value, _WORK.event)
    rows = connection.execute(select(*columns).where(*_of_item(queue, position)).order_by(_WORK.labeller)).mappings()
    return tuple(Assignment(**row) for row in rows)


def iter_labelled(connection: Connection, queue: str) -> Iterator[tuple[int, Assignment]]:
    """Every answer that stands, by position and labeller. Streams while the connection's transaction is open."""
    columns = (_WORK.position, _WORK.labeller, _WORK.state, _WORK.value, _WORK.event)
    rows = select(*columns).where(_WORK.queue == queue, _WORK.state == "labelled")
    rows = rows.order_by(_WORK.position, _WORK.labeller).execution_options(yield_per=BATCH_ROWS)
    for position, labeller, state, value, event in connection.execute(rows):
        yield position, Assignment(labeller=labeller, state=state, value=value, event=event)


def members(connection: Connection, queue: str) -> dict[str, Member]:
    """Everybody who has opened a queue, by name."""
    rows = select(label_members).where(label_members.c.queue == queue).order_by(label_members.c.labeller)
    found = connection.execute(rows).mappings()
    return {row["labeller"]: Member(**{name: row[name] for name in vars(Member())}) for row in found}


def last_answered(connection: Connection, queue: str, labeller: str) -> int | None:
    """The position of a labeller's last answer (or skip) that still stands; None without any."""
    mine = (_WORK.queue == queue) & (_WORK.labeller == labeller)
    newest: list[tuple[int, int]] = []
    for state in ("labelled", "skipped"):
        rows = select(_WORK.event, _WORK.position).where(mine, _WORK.state == state).order_by(_WORK.event.desc())
        newest += connection.execute(rows.limit(1)).all()
    return max(newest)[1] if newest else None


def settle(connection: Connection, queue: str, position: int) -> None:
    """Bring an item's state, and the queue's counters, to what its assignments say."""
    before, wanted = connection.execute(
        select(_ITEM.state, _ITEM.wanted).where(_ITEM.queue == queue, _ITEM.position == position)
    ).one()
    after = _state(assignments(connection, queue, position), wanted)
    if before in (after, "expired"):
        return
    here = (_ITEM.queue == queue) & (_ITEM.position == position)
    connection.execute(update(label_queue_items).where(here).values(state=after))
    finished = (after in FINISHED) - (before in FINISHED)
    disputed = (after == "disputed") - (before == "disputed")
    if finished or disputed:
        connection.execute(
            update(label_queues)
            .where(label_queues.c.name == queue)
            .values(finished=label_queues.c.finished + finished, disputed=label_queues.c.disputed + disputed)
        )


def expire(connection: Connection, example_ids: Sequence[str]) -> None:
    """Take the items of these examples from everybody, for good: their texts go. None of them has been answered."""
    mine = _ITEM.example_id.in_(example_ids)
    in_queues = connection.execute(select(_ITEM.queue, func.count()).where(mine).group_by(_ITEM.queue)).all()
    held = exists().where(_ITEM.queue == _WORK.queue, _ITEM.position == _WORK.position, mine)
    connection.execute(delete(label_assignments).where(held))
    connection.execute(update(label_queue_items).where(mine).values(state="expired", example_id=NO_TEXT, hint=None))
    for queue, count in in_queues:
        more = {"expired": label_queues.c.expired + count}
        connection.execute(update(label_queues).where(label_queues.c.name == queue).values(more))


def _state(parts: Sequence[Assignment], wanted: int) -> ItemState:
    if any(part.labeller.startswith(ADJUDICATION) and part.state == "labelled" for part in parts):
        return "adjudicated"
    values = [part.value for part in parts if part.state == "labelled"]
    if len(values) >= wanted:
        return "agreed" if wanted and len(set(values)) == 1 else "disputed"
    active = len(values) + sum(part.state == "claimed" for part in parts)
    return "free" if active < wanted else "full"


def _next_free(connection: Connection, queue: str, labeller: str, cursor: int) -> int | None:
    seen = exists().where(_WORK.queue == queue, _WORK.position == _ITEM.position, _WORK.labeller == labeller)
    free = (_ITEM.queue == queue) & (_ITEM.state == "free") & (_ITEM.position > cursor)
    mine = _ITEM.inclusion.is_not(None) & _labelled_already(labeller)
    return connection.scalar(select(_ITEM.position).where(free, ~seen, ~mine).order_by(_ITEM.position).limit(1))


def _labelled_already(labeller: str) -> ColumnElement[bool]:
    """Whether a labeller's own label of the item's example stands, whether given here, in another queue or in a file:
    their answer would replace it and be no second opinion.
    """
    own = select(labels.c.withdrawn_at.is_(None)).where(
        label_queues.c.name == _ITEM.queue,
        labels.c.criterion_key == label_queues.c.criterion_key,
        labels.c.example_id == _ITEM.example_id,
        labels.c.labeller == labeller,
    )
    newest = own.order_by(labels.c.sequence.desc()).limit(1).correlate(label_queue_items).scalar_subquery()
    return func.coalesce(newest, false())


def _release_forgotten(connection: Connection, queue: str, labeller: str) -> None:
    long_ago = (datetime.now(UTC) - timedelta(hours=CLAIM_HOURS)).isoformat(timespec="microseconds")
    forgotten = (_WORK.queue == queue) & (_WORK.state == "claimed") & (_WORK.since < long_ago)
    of_others = select(_WORK.position, _WORK.labeller).where(forgotten, _WORK.labeller != labeller)
    for position, other in connection.execute(of_others).all():
        drop(connection, queue, position, other)


def _keep_member(connection: Connection, queue: str, labeller: str, row: Member) -> None:
    connection.execute(delete(label_members).where(*_of_member(queue, labeller)))
    connection.execute(insert(label_members).values(queue=queue, labeller=labeller, **vars(row)))


def _of_member(queue: str, labeller: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return label_members.c.queue == queue, label_members.c.labeller == labeller


def _of_item(queue: str, position: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _WORK.queue == queue, _WORK.position == position
