"""Adjudication: where the labellers of an item disagree, somebody who sees all their answers side by side decides.

The decision is a label of its own, by `adjudication/NAME`; a consensus takes it before the answers it decided on. The
answers are those of the queue, or, where it was made to settle labels that were there before, these. The labellers
appear as A, B, C: a name should not weigh.
"""

from dataclasses import dataclass
from string import ascii_uppercase

from assay.labelling.desk import checked, example_at, give_label, undo
from assay.labelling.stored_opinions import stored_opinions
from assay.schema.errors import RefusedError
from assay.schema.example import Example
from assay.schema.label import ADJUDICATION
from assay.store import criteria
from assay.store.database import Connection, Database
from assay.store.labelling import answers, queues, work
from assay.store.labelling.answers import Answer
from assay.store.labelling.people import Labeller
from assay.store.labelling.queues import Queue, QueueItem


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """One labeller's answer, without the name. `mine`: it is the adjudicator's own."""

    who: str
    answer: Answer
    mine: bool


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """An item whose labellers disagree."""

    position: int
    example: Example
    opinions: tuple[Opinion, ...]


@dataclass(frozen=True, kw_only=True)
class Docket:
    """The next dispute (None: no more), and how the queue stands."""

    dispute: Dispute | None
    queue: Queue


def docket(database: Database, adjudicator: Labeller, queue: str, after: int = -1) -> Docket:
    """The next dispute behind a position. Raises NotFoundError, RefusedError (who may not adjudicate)."""
    with database.read() as connection:
        return _docket(connection, adjudicator, queue, after)


def adjudicate(database: Database, adjudicator: Labeller, answer: Answer) -> Docket:
    """Decide a dispute, or (kind `undo`) take the decision back; sent twice, it is taken once.

    Raises NotFoundError, RefusedError, InputError (a value off the scale).
    """
    _check_may(adjudicator)
    who = f"{ADJUDICATION}{adjudicator.name}"
    with database.begin() as connection:
        queue = queues.get(connection, answer.queue)
        if answers.by_key(connection, who, answer.key) is None:
            if answer.kind == "undo":
                return _taken_back(connection, adjudicator, answer)
            criterion = criteria.get(connection, queue.record.criterion)
            example = example_at(connection, answer.queue, answer.position)
            give_label(connection, who, adjudicator, queue, checked(answer, criterion, example))
        return _docket(connection, adjudicator, answer.queue, answer.position)


def undo_last_decision(database: Database, adjudicator: Labeller, queue: str, key: str) -> Docket:
    """Take back the last decision of theirs that stands, whenever it was made; it comes up again.

    Raises NotFoundError, RefusedError (none stands, or who may not adjudicate).
    """
    _check_may(adjudicator)
    who = f"{ADJUDICATION}{adjudicator.name}"
    with database.begin() as connection:
        queues.get(connection, queue)
        known = answers.by_key(connection, who, key)
        if known is not None:
            return _docket(connection, adjudicator, queue, known.answer.position - 1)
        position = work.last_answered(connection, queue, who)
        if position is None:
            raise RefusedError("There is no decision to take back.", next_step="decide first")
        return _taken_back(connection, adjudicator, Answer(key=key, queue=queue, position=position, kind="undo"))


def _taken_back(connection: Connection, adjudicator: Labeller, answer: Answer) -> Docket:
    who = f"{ADJUDICATION}{adjudicator.name}"
    undo(connection, who, answer)
    work.drop(connection, answer.queue, answer.position, who)
    return _docket(connection, adjudicator, answer.queue, answer.position - 1)


def _docket(connection: Connection, adjudicator: Labeller, queue: str, after: int) -> Docket:
    _check_may(adjudicator)
    found = queues.get(connection, queue)
    item = queues.next_disputed(connection, queue, after) or queues.next_disputed(connection, queue, -1)
    if item is None:
        return Docket(dispute=None, queue=found)
    said = _answers_of(connection, found, item) if item.wanted else _stored(connection, found, item)
    opinions = tuple(
        Opinion(who=letter, answer=answer, mine=name == adjudicator.name)
        for letter, (name, answer) in zip(ascii_uppercase, said.items(), strict=False)
    )
    example = next(queues.iter_examples(connection, [item.example_id]))
    return Docket(dispute=Dispute(position=item.position, example=example, opinions=opinions), queue=found)


def _answers_of(connection: Connection, queue: Queue, item: QueueItem) -> dict[str, Answer]:
    """Labeller → what they answered in this queue."""
    parts = work.assignments(connection, queue.record.name, item.position)
    return {
        part.labeller: answers.get(connection, part.event).answer
        for part in parts
        if part.state == "labelled" and part.event is not None
    }


def _stored(connection: Connection, queue: Queue, item: QueueItem) -> dict[str, Answer]:
    """Labeller → what they said before this queue was made, as an answer."""
    criterion = criteria.get(connection, queue.record.criterion)
    return {
        label.labeller: Answer(
            key="stored",
            queue=queue.record.name,
            position=item.position,
            kind="label",
            value=label.value,
            note=label.explanation or "",
        )
        for label in stored_opinions(connection, item.example_id, criterion)
    }


def _check_may(adjudicator: Labeller) -> None:
    if not adjudicator.adjudicates:
        raise RefusedError(
            "Only an adjudicator sees the answers of others.",
            required="a labeller added with --adjudicates",
            got=f"{adjudicator.name}, who labels",
            next_step="ask whoever leads the labelling",
        )
