"""The table of verdicts that await a person: which item of which labelling queue each of them became.

    refused = awaiting.add(connection, rows)            # in the transaction that writes these rows of `verdicts`
    awaiting.of(connection, ["vd_01JD…"])               # verdict id → where it waits, and what was answered

Each version of a criterion has one queue for this, `escalated-NAME-VERSION`, which grows; once somebody closes it, the
next verdict begins another. An example that is in the open queue already is not put there twice: its verdicts share the
item, and the answer. A queue has room for so many that nobody has answered; a verdict that finds it full is not put
there, and its default stays what it says.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal, TypeAlias

from sqlalchemy import Column, Connection, ForeignKey, Integer, String, Table, delete, insert, select

from assay.schema.criterion import Criterion
from assay.schema.errors import AssayError, ConflictError, RefusedError
from assay.schema.example import Example, content_id
from assay.schema.ids import utc_now
from assay.schema.label import ADJUDICATION
from assay.schema.verdict import BY_PEOPLE
from assay.store import criteria, examples, verdicts
from assay.store.labelling import answers, queues, work
from assay.store.labelling.queues import Queue, QueueRecord, label_queue_items
from assay.store.tables import KEY, from_text, in_batches, metadata
from assay.store.verdicts import StoredVerdict

PersonState: TypeAlias = Literal["pending", "awaiting", "answered", "disputed", "not-queued"]
MOST_OPEN = 10_000  # items of a queue that nobody has answered: people who do not come must not fill the database
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")  # a queue's name stands in addresses

awaiting = Table(
    "awaiting",
    metadata,
    Column("verdict_id", KEY, primary_key=True),
    Column("queue", KEY, ForeignKey("label_queues.name"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("created_at", String, nullable=False, index=True),
)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one labeller answered, and when."""

    labeller: str
    value: str
    note: str
    at: str


@dataclass(frozen=True, kw_only=True)
class Awaiting:
    """Where a verdict's example waits for people. `label` is what they said, None until they agree.

    One that could not come to its queue (which was full, or the text was not kept) stands nowhere: `not-queued`. Before
    its row is written nobody knows, and it is `pending`; that state is never read from here.
    """

    queue: str | None
    position: int | None
    example_id: str | None
    state: PersonState
    label: str | None
    answers: tuple[Said, ...]


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, AssayError]:
    """Put the examples of those rows that went to people into their queue; a row that is there already changes nothing.

    Returns, by verdict id, what could not be put there: such a row must not keep the others from being written.
    """
    refused = {}
    for row in rows:
        if row["route"] != BY_PEOPLE or row["role"] == "shadow":
            continue
        try:
            with connection.begin_nested():
                _add(connection, row)
        except AssayError as error:
            refused[row["id"]] = error
    return refused


def of(connection: Connection, verdict_ids: Collection[str]) -> dict[str, Awaiting]:
    """Where these verdicts stand with people; those that nobody was asked about are not in it."""
    here, item = awaiting.c, label_queue_items.c
    statement = (
        select(here.verdict_id, here.queue, here.position, item.example_id, item.state)
        .join(label_queue_items, (item.queue == here.queue) & (item.position == here.position))
        .where(here.verdict_id.in_(verdict_ids))
    )
    found = {}
    for row in connection.execute(statement).all():
        said = _said(connection, row.queue, row.position)
        found[row.verdict_id] = Awaiting(
            queue=row.queue,
            position=row.position,
            example_id=row.example_id,
            state=_state(row.state),
            label=_label(row.state, said),
            answers=said,
        )
    nowhere = Awaiting(queue=None, position=None, example_id=None, state="not-queued", label=None, answers=())
    return found | dict.fromkeys(_escalated(connection, set(verdict_ids) - set(found)), nowhere)


def of_verdicts(connection: Connection, found: Iterable[StoredVerdict]) -> dict[str, Awaiting]:
    """`of` those among them that went to people."""
    return of(connection, [one.given.id for one in found if one.given.verdict.route == BY_PEOPLE])


def forget_before(connection: Connection, created_at: str) -> int:
    """Forget which items verdicts became that are older than a time; the items and their labels stay."""
    return connection.execute(delete(awaiting).where(awaiting.c.created_at < created_at)).rowcount


def forget_texts_before(connection: Connection, escalated_at: str) -> int:
    """Delete the texts that are here only because a judge escalated them before a time, once no verdict is left that
    they belong to. Returns how many.

    What was ever labelled stays, for it is data of the team and may be in a frozen dataset; so does what was imported.
    The items stay in their queues, as expired ones. Waits for an import that is writing.
    """
    examples.take_turn(connection)  # before the queues, as labels do
    queues.hold_growing(connection)
    item, here = label_queue_items.c, awaiting.c
    waits = select(item.example_id).join(awaiting, (here.queue == item.queue) & (here.position == item.position))
    old = examples.escalated_before(escalated_at)
    ids = connection.scalars(old.where(examples.examples.c.id.not_in(waits))).all()
    if ids:
        examples.make_no_text(connection)
    for batch in in_batches(ids):
        work.expire(connection, batch)
        examples.forget(connection, batch)
    return len(ids)


def _add(connection: Connection, row: Mapping[str, Any]) -> None:
    if connection.scalar(select(awaiting.c.verdict_id).where(awaiting.c.verdict_id == row["id"])) is not None:
        return
    if row["example"] is None:
        raise RefusedError("The text of this verdict was not kept, so there is nothing for people to look at.")
    queue = _open_queue(connection, criteria.get(connection, row["criterion_key"]))
    name = queue.record.name
    example_id = _stored(connection, row)
    position = queues.position_of(connection, name, example_id)
    if position is None:
        if queue.record.size - queue.finished - queue.expired >= MOST_OPEN:
            raise RefusedError(
                "The queue for people is full, so the verdict's default stays.",
                required=f"fewer than {MOST_OPEN} items that nobody has answered",
                got=name,
                next_step=f"answer them, or begin another queue: assay label queue close {name}",
            )
        position = queues.grow(connection, name, example_id, score=row["probability"])
    link = {"verdict_id": row["id"], "queue": name, "position": position, "created_at": row["created_at"]}
    connection.execute(insert(awaiting).values(link))


def _escalated(connection: Connection, verdict_ids: Collection[str]) -> list[str]:
    here = verdicts.verdicts.c
    went = select(here.id).where(here.id.in_(verdict_ids), here.route == BY_PEOPLE, here.role != "shadow")
    return list(connection.scalars(went)) if verdict_ids else []


def _stored(connection: Connection, row: Mapping[str, Any]) -> str:
    """The id of a row's example, once it is one of the workspace's; another one where its own stands for another text.

    The queue is locked before, so that the end of an old text cannot come between the example and its item.
    """
    example = from_text(Example, row["example"], where="the example of a verdict")
    try:
        examples.add_escalated(connection, example, row["created_at"])
    except ConflictError:
        example = replace(example, id=content_id(example.content()))
        examples.add_escalated(connection, example, row["created_at"])
    return example.id


def _open_queue(connection: Connection, criterion: Criterion) -> Queue:
    """The queue that takes what is escalated under a criterion, made where there is none that is open."""
    base = _NOT_IN_NAMES.sub("-", f"escalated-{criterion.name}-{criterion.version}")
    for number in count(1):
        name = base if number == 1 else f"{base}-{number}"
        queue = queues.make_growing(connection, _record(name, criterion))
        if queue.closed_at is None and queue.record.criterion == criterion.key:
            return queue
    raise AssertionError("count does not end")


def _record(name: str, criterion: Criterion) -> QueueRecord:
    return QueueRecord(
        name=name,
        criterion=criterion.key,
        by="list",
        pool="unlabelled",
        pool_size=0,
        size=0,
        uniform_share=0.0,
        overlap_share=0.0,
        labellers_each=1,
        blind=True,
        seed=0,
        scored_by="escalation",
        expected_gain="not known",
        created_at=utc_now(),
    )


def _said(connection: Connection, queue: str, position: int) -> tuple[Said, ...]:
    said = []
    for part in work.assignments(connection, queue, position):
        if part.state == "labelled" and part.event is not None:
            logged = answers.get(connection, part.event)
            said.append(Said(labeller=part.labeller, value=str(part.value), note=logged.answer.note, at=logged.at))
    return tuple(said)


def _state(item: str) -> PersonState:
    if item == "disputed":
        return "disputed"
    return "answered" if item in queues.FINISHED else "awaiting"


def _label(item: str, said: Sequence[Said]) -> str | None:
    """What people say: the adjudicator, or all of them as one."""
    decided = [one.value for one in said if one.labeller.startswith(ADJUDICATION)]
    if item == "adjudicated" and decided:
        return decided[-1]
    return said[0].value if item == "agreed" and said else None
