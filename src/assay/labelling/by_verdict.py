"""Answers by verdict: an expert's label of an escalated verdict counts as their answer at the labelling page.

    answered = answer_by_verdict(database, "vd_01JD…", label)     # None: the verdict waits in no queue

The item is done when as many as it wants have answered, whichever way they came; it then is before nobody else. A
labeller's newer answer takes the place of the one before it, the same answer again changes nothing.
"""

from dataclasses import dataclass

from assay.labelling.desk import give_label, part_of, undo_standing
from assay.schema.ids import new_id, utc_now
from assay.schema.label import ADJUDICATION, Label
from assay.store import awaiting
from assay.store.database import Connection, Database
from assay.store.labelling import queues, work
from assay.store.labelling.answers import Answer
from assay.store.labelling.people import Labeller


@dataclass(frozen=True, kw_only=True)
class AnsweredItem:
    """The item that was answered, of which example, and whether the label is a new one."""

    queue: str
    position: int
    example_id: str
    new: bool


def answer_by_verdict(database: Database, verdict_id: str, label: Label) -> AnsweredItem | None:
    """Take a label as an answer to the item that a verdict became: label, log and item in one transaction.

    The label's value must have been checked against its criterion; its example is the item's. None, and nothing is
    written, where the verdict waits in no queue.
    """
    with database.begin() as connection:
        asked = awaiting.of(connection, [verdict_id]).get(verdict_id)
        if asked is None or asked.queue is None or asked.position is None or asked.example_id is None:
            return None
        new = _answer(connection, asked.queue, asked.position, label)
        return AnsweredItem(queue=asked.queue, position=asked.position, example_id=asked.example_id, new=new)


def _answer(connection: Connection, name: str, position: int, label: Label) -> bool:
    who = label.labeller
    part = part_of(connection, who, name, position)
    if part is not None and part.state == "labelled" and part.value == label.value:
        return False
    answer = Answer(
        key=new_id("api"),
        queue=name,
        position=position,
        kind="adjudicate" if who.startswith(ADJUDICATION) else "label",
        value=label.value,
        note=label.explanation or "",
    )
    undo_standing(connection, who, answer)
    labeller = Labeller(name=who, source=label.source, adjudicates=False, created_at=utc_now())
    new = give_label(connection, who, labeller, queues.get(connection, name), answer)
    _let_go(connection, name, position)
    return new


def _let_go(connection: Connection, name: str, position: int) -> None:
    """Nobody needs to answer what is done: take it from those who hold it and have not answered."""
    if queues.item(connection, name, position).state not in queues.FINISHED:
        return
    for part in work.assignments(connection, name, position):
        if part.state == "claimed" and part.event is None:
            work.drop(connection, name, position, part.labeller)
