"""The desk: what a labeller has before them, and what their answers do.

    hand = hand_of(database, labeller, "advice-1")     # up to three examples, with the criterion's words beside them
    hand = take(database, labeller, answer)            # label, skip or undo; durable when this returns

An answer carries a key of the page's own: sent twice, it is taken once. Nothing of a hand tells what a model or another
labeller said, unless the queue was made not to be blind.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, NotFoundError, RefusedError, shown
from assay.schema.example import CONTENT_FIELDS, Example, field_text
from assay.schema.ids import utc_now
from assay.schema.label import Label
from assay.schema.trace import text_of
from assay.store import criteria, examples
from assay.store.database import Connection, Database
from assay.store.labelling import answers, queues, work
from assay.store.labelling.answers import Answer, Highlight
from assay.store.labelling.people import Labeller
from assay.store.labelling.queues import Queue
from assay.store.labelling.work import Assignment, Member

AHEAD = 3  # examples at hand: the next one is there before the answer has come back
MAX_NOTE_CHARS = 10_000
MAX_HIGHLIGHTS = 200
MAX_SECONDS = 600.0  # of one answer: who went for lunch did not think for an hour


@dataclass(frozen=True, kw_only=True)
class HeldItem:
    """One example before a labeller. `previous` is their own answer that they took back; `hint` None: blind."""

    position: int
    example: Example
    previous: Answer | None
    hint: str | None


@dataclass(frozen=True, kw_only=True)
class Hand:
    """What a labeller has before them, and how far they and the queue are."""

    items: tuple[HeldItem, ...]
    positions: tuple[int, ...]  # of everything held, in order, those too whose content the page has already
    queue: Queue
    mine: Member


def hand_of(database: Database, labeller: Labeller, queue: str, have: Collection[int] = ()) -> Hand:
    """What a labeller has before them in a queue; new examples are claimed. `have`: positions whose content the page
    has. Raises NotFoundError.
    """
    with database.begin() as connection:
        return _hand(connection, labeller, queue, have)


def take(database: Database, labeller: Labeller, answer: Answer, have: Collection[int] = ()) -> Hand:
    """Take a label, a skip or an undo, and hand out what is next.

    Raises NotFoundError (queue, item), InputError (a value off the scale, a highlight outside its text), RefusedError
    (its text is gone).
    """
    with database.begin() as connection:
        queue = queues.get(connection, answer.queue)
        if answers.by_key(connection, labeller.name, answer.key) is None:
            if answer.kind == "undo":
                undo(connection, labeller.name, answer)
            elif answer.kind in ("label", "skip"):
                _take_new(connection, labeller, queue, answer)
            else:
                raise InputError("This is no answer of a labeller.", got=shown(answer.kind))
        return _hand(connection, labeller, answer.queue, have)


def undo_last(database: Database, labeller: Labeller, queue: str, key: str) -> Hand:
    """Take back the last answer that stands, wherever it was given. Raises RefusedError where there is none."""
    with database.begin() as connection:
        if answers.by_key(connection, labeller.name, key) is None:
            position = work.last_answered(connection, queue, labeller.name)
            if position is None:
                raise RefusedError("There is no answer to take back.", next_step="answer first")
            undo(connection, labeller.name, Answer(key=key, queue=queue, position=position, kind="undo"))
        return _hand(connection, labeller, queue, ())


def skipped_again(database: Database, labeller: Labeller, queue: str) -> Hand:
    """Offer the skipped examples once more."""
    with database.begin() as connection:
        work.offer_skipped_again(connection, queue, labeller.name)
        return _hand(connection, labeller, queue, ())


def undo(connection: Connection, who: str, answer: Answer) -> None:
    """Take an answer back; where none stands, nothing happens. The item is before them again."""
    part = part_of(connection, who, answer.queue, answer.position)
    if part is None or part.event is None or part.state == "claimed":
        return
    before = _withdrawn(connection, who, part)
    change = Member(labelled=-1, seconds=-before.took_s) if part.state == "labelled" else Member(skipped=-1)
    work.credit(connection, answer.queue, who, change)
    answers.add(connection, who, answer, added=False, at=utc_now())
    work.hold(connection, answer.queue, answer.position, who, part.event)


def undo_standing(connection: Connection, who: str, answer: Answer) -> None:
    """Take back what someone answered of the item before this answer: the newer one holds."""
    part = part_of(connection, who, answer.queue, answer.position)
    if part is not None and part.state != "claimed":
        examples.take_turn(connection)  # before the queue's row, as whoever else writes labels
        taken_back = replace(answer, kind="undo", key=f"{answer.key}/undo", value=None, note="", highlights=())
        undo(connection, who, taken_back)


def give_label(connection: Connection, who: str, labeller: Labeller, queue: Queue, answer: Answer) -> bool:
    """Write a label, log the answer and settle the item. `who` stands as the labeller of the label. Returns whether the
    label is a new one.
    """
    item = queues.item(connection, queue.record.name, answer.position)
    now = utc_now()
    label = Label(
        example_id=item.example_id,
        value=str(answer.value),
        labeller=who,
        source=labeller.source,
        criterion=queue.record.criterion,
        created_at=now,
        explanation=answer.note or None,
    )
    added = examples.add(connection, [], [label], None).new_labels == 1
    event = answers.add(connection, who, answer, added=added, at=now)
    done = Assignment(labeller=who, state="labelled", value=answer.value, event=event)
    work.mark(connection, answer.queue, answer.position, done)
    work.credit(connection, answer.queue, who, Member(labelled=1, seconds=answer.took_s))
    return added


def part_of(connection: Connection, who: str, queue: str, position: int) -> Assignment | None:
    """What someone holds of an item, or made of it."""
    parts = work.assignments(connection, queue, position)
    return next((part for part in parts if part.labeller == who), None)


def checked(answer: Answer, criterion: Criterion, example: Example) -> Answer:
    """The answer, if it fits: its value on the scale, its highlights inside their texts. Raises InputError."""
    if answer.kind != "skip":
        criterion.check_label(answer.value)
    if len(answer.note) > MAX_NOTE_CHARS or len(answer.highlights) > MAX_HIGHLIGHTS:
        raise InputError(
            "A note or the highlights are too long.",
            required=f"{MAX_NOTE_CHARS:,} characters and {MAX_HIGHLIGHTS} highlights or fewer",
            got=f"{len(answer.note):,} and {len(answer.highlights):,}",
        )
    for mark in answer.highlights:
        length = len(_text_at(example, mark))
        if not 0 <= mark.start < mark.end <= length:
            raise InputError(
                "A highlight lies outside its text.",
                required=f"0 ≤ start < end ≤ {length} in {mark.field}",
                got=f"{mark.start} to {mark.end}",
            )
    return replace(answer, took_s=min(max(answer.took_s, 0.0), MAX_SECONDS))


def example_at(connection: Connection, queue: str, position: int) -> Example:
    """The example of an item. Raises RefusedError where its text is gone."""
    item = queues.item(connection, queue, position)
    if item.state == "expired":
        raise RefusedError(
            "The text of this example was deleted, so it can be labelled no more.",
            required="an escalated text that is younger than retention_days of [serving] in assay.toml",
            got=f"position {position} of {queue}",
            next_step="go on with the next example",
        )
    return next(queues.iter_examples(connection, [item.example_id]))


def _take_new(connection: Connection, labeller: Labeller, queue: Queue, answer: Answer) -> None:
    if answer.kind == "skip" and queues.item(connection, answer.queue, answer.position).state == "expired":
        return  # nobody will answer it
    criterion = criteria.get(connection, queue.record.criterion)
    answer = checked(answer, criterion, example_at(connection, answer.queue, answer.position))
    undo_standing(connection, labeller.name, answer)  # it may have been answered in another window
    if answer.kind == "label":
        give_label(connection, labeller.name, labeller, queue, answer)
        return
    event = answers.add(connection, labeller.name, answer, added=False, at=utc_now())
    skipped = Assignment(labeller=labeller.name, state="skipped", value=None, event=event)
    work.mark(connection, answer.queue, answer.position, skipped)
    work.credit(connection, answer.queue, labeller.name, Member(skipped=1))


def _withdrawn(connection: Connection, who: str, part: Assignment) -> Answer:
    """Take the label of an answer back, if it became one. Returns the answer."""
    assert part.event is not None  # noqa: S101 - for the type checker; `undo` has looked
    logged = answers.get(connection, part.event)
    if logged.added:
        queue = queues.get(connection, logged.answer.queue)
        item = queues.item(connection, logged.answer.queue, logged.answer.position)
        label = Label(
            example_id=item.example_id,
            value=str(logged.answer.value),
            labeller=who,
            source="expert",
            criterion=queue.record.criterion,
        )
        examples.take_back(connection, label)
    return logged.answer


def _hand(connection: Connection, labeller: Labeller, name: str, have: Collection[int]) -> Hand:
    queue = queues.get(connection, name)
    positions = [] if queue.closed_at else work.claim(connection, name, labeller.name, AHEAD)
    items = [_held(connection, labeller, queue, position) for position in positions if position not in have]
    mine = work.member(connection, name, labeller.name)
    queue = queues.get(connection, name)
    return Hand(items=tuple(items), positions=tuple(positions), queue=queue, mine=mine)


def _held(connection: Connection, labeller: Labeller, queue: Queue, position: int) -> HeldItem:
    name = queue.record.name
    part = part_of(connection, labeller.name, name, position)
    taken_back = None if part is None or part.event is None else answers.get(connection, part.event).answer
    hint = None if queue.record.blind else queues.item(connection, name, position).hint
    example = example_at(connection, name, position)
    return HeldItem(position=position, example=example, previous=taken_back, hint=hint)


def _text_at(example: Example, mark: Highlight) -> str:
    if mark.field not in CONTENT_FIELDS:
        raise InputError("A highlight is in an unknown field.", got=shown(mark.field))
    if mark.field != "turns":
        return field_text(getattr(example, mark.field))
    if mark.turn is None or not 0 <= mark.turn < len(example.turns):
        raise NotFoundError("A highlight is in a turn that is not there.", got=shown(mark.turn))
    return text_of(example.turns[mark.turn].content)
