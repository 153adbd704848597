"""Augmenting: rows made from training rows, decided on by experts, in one workspace.

    augmenting = here.augmenting
    planned = augmenting.plan("advice", AugmentRequest(kinds=("flip", "paraphrase"), per_kind=100))
    planned.cost.usd, planned.cost.usd_at_most          # before anything is spent
    augmenting.make(planned, limit_usd=2.0)
    augmenting.sample(planned.record.id)                # a queue for the experts
    augmenting.accept(planned.record.id)                # keeps what they agree with

Each step can be killed and done again. It computes nothing itself.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from assay.api.augment_plan import (
    AugmentRequest,
    Planned,
    as_it_stands,
    budget_spent,
    client_of,
    planned_of,
    with_cost,
)
from assay.api.frozen_datasets import dataset_of
from assay.config import Settings
from assay.datasets.augmentation.acceptance import DEFAULT_FLOOR
from assay.datasets.augmentation.copies import copies
from assay.datasets.augmentation.kinds import KINDS
from assay.datasets.augmentation.making import Maker, OnMade, make_unaided, open_derivative
from assay.datasets.augmentation.receipts import kind_receipt
from assay.datasets.augmentation.sampling import DEFAULT_SAMPLE, drawn
from assay.datasets.augmentation.standing import (
    KindStanding,
    Standing,
    nothing_to_decide,
    nothing_to_draw,
    sample_queue,
    standing_of,
)
from assay.datasets.frozen_rows import load_rows
from assay.labelling.queues import Listed, QueuePlan, make_listed_queue
from assay.schema.dataset import DatasetVersion
from assay.schema.errors import InputError, shown
from assay.schema.ids import utc_now
from assay.schema.label import Label
from assay.serving.batch.sole_writer import sole_writer
from assay.store import augmentations, criteria, datasets, examples
from assay.store.augmentations import AugmentationRecord, Decision, Derivative
from assay.store.blobs import Blobs
from assay.store.database import Connection, Database
from assay.store.labelling import queues
from assay.store.labelling.queues import Queue
from assay.store.spending import LimitSpentError

__all__ = ["AugmentRequest", "Augmenting", "Planned", "Standing"]


@dataclass(frozen=True, kw_only=True)
class SamplePlan:
    """How a sample goes to the experts: `per_kind` texts of each kind, `overlap_share` of them to `labellers_each`."""

    per_kind: int = DEFAULT_SAMPLE
    overlap_share: float = 0.0
    labellers_each: int = 2

    def __post_init__(self) -> None:
        if self.per_kind < 1:
            raise InputError("A sample holds texts.", required="1 or more a kind", got=str(self.per_kind))


class Augmenting:
    """The augmentations of a workspace; `Workspace.augmenting` gives it."""

    def __init__(
        self, database: Database, blobs: Blobs, settings: Settings, newest: Callable[[str], DatasetVersion]
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._newest = newest

    def plan(self, criterion: str, request: AugmentRequest) -> Planned:
        """What would be made, from which rows, and what it would cost. Writes nothing.

        Raises RefusedError (no dataset, no row that suits), InputError (a kind that does not suit, no endpoint),
        NotFoundError (a model without a price).
        """
        frozen = (
            self._newest(criterion)
            if request.dataset is None
            else dataset_of(self._database, criterion, request.dataset)
        )
        rows = load_rows(self._blobs, frozen)
        return planned_of(frozen, rows, request, self._database, self._settings)

    def make(self, planned: Planned, *, limit_usd: float | None = None, on_made: OnMade | None = None) -> int:
        """Make what is open of a plan by now: nothing once a sample is drawn. Returns how many stayed open for want of
        an answer: make it again.

        `limit_usd` bounds what the receipt costs in all, by default what the open ones cost at most beside what is
        spent. What was made is kept whatever comes. Raises BudgetSpentError, LlmFailure, MissingExtraError,
        ConflictError (another process makes it, or draws its sample).
        """
        record = planned.record
        with self._alone(record):
            with self._database.begin() as connection:
                if any(one.draw for one in augmentations.derivatives_of(connection, record.id)):
                    return 0
                augmentations.add(connection, record, [open_derivative(task) for task in planned.tasks])
                planned = as_it_stands(connection, planned)  # another run may have gone on since it was planned
            make_unaided(self._database, record.id, [task for task in planned.open if not task.kind.asks])
            asked = [task for task in planned.open if task.kind.asks]
            if not asked or planned.endpoint is None or record.generator is None:
                return 0
            planned = with_cost(planned, self._database, self._settings)
            limit = planned.spent_usd + planned.cost.usd_at_most if limit_usd is None else limit_usd
            client = client_of(planned, self._database, self._settings, limit)
            maker = Maker(
                database=self._database,
                client=client,
                model=record.generator.model,
                receipt=record.id,
                criterion=planned.criterion,
            )
            try:
                return maker.run(asked, on_made)
            except LimitSpentError as error:
                raise budget_spent(planned, error) from None

    def sample(self, receipt: str, plan: SamplePlan | None = None, kinds: Sequence[str] = ()) -> Queue:
        """Draw a random sample of each kind and queue it for experts, blind: of kinds that have none yet, and of kinds
        that were refused. Texts that are copies go first. Once a sample is drawn, no more is made. Where a call was
        killed after its queue was there, that queue is the sample, whatever is asked for now.

        Raises NotFoundError, InputError (an unknown kind), RefusedError (nothing to draw), ConflictError (another
        process makes it, or draws its sample).
        """
        plan = plan or SamplePlan()
        with self._database.read() as connection:
            record = augmentations.get(connection, receipt)
        _check_kinds(record, kinds)
        with self._alone(record):
            self._end_making(record)
            with self._database.read() as connection:
                standing = standing_of(connection, record)
                number = len(standing.samples) + 1
                queue = _queue_named(connection, sample_queue(record.id, number))
            if queue is None:
                queue = self._queue(standing, number, plan, kinds)
            with self._database.begin() as connection:
                ids = [item.example_id for item in queues.iter_items(connection, queue.record.name)]
                augmentations.mark_drawn(connection, ids, number)
        return queue

    def accept(self, receipt: str, *, floor: float = DEFAULT_FLOOR) -> Standing:
        """Decide on every kind whose sample is answered, and add the rows of those that experts agree with.

        Raises NotFoundError; InputError (the floor); RefusedError where no kind can be decided yet.
        """
        if not 0 < floor < 1:
            raise InputError("The floor is a share.", required="a number between 0 and 1, exclusive", got=shown(floor))
        with self._database.begin() as connection:
            record = augmentations.get(connection, receipt)
            before = standing_of(connection, record)
            ready = [one for one in before.kinds if one.found.sampled and not one.found.pending]
            if not ready:
                raise nothing_to_decide(before)
            for one in ready:
                if one.undecided or (not one.kept and one.decided is not None and one.decided.floor != floor):
                    self._decide(connection, record, one, floor)
            return standing_of(connection, record)

    def standing(self, receipt: str) -> Standing:
        """How an augmentation stands. Raises NotFoundError."""
        with self._database.read() as connection:
            return standing_of(connection, augmentations.get(connection, receipt))

    def every(self) -> tuple[Standing, ...]:
        """All augmentations, oldest first."""
        with self._database.read() as connection:
            return tuple(standing_of(connection, record) for record in augmentations.every(connection))

    def _alone(self, record: AugmentationRecord) -> AbstractContextManager[None]:
        """While one process makes texts or draws a sample of them, no other does. Raises ConflictError."""
        lock = self._settings.data / f"{record.id}.lock"
        return sole_writer(lock, lock.with_suffix(""))

    def _end_making(self, record: AugmentationRecord) -> None:
        """What is still open is not made any more; copies are set aside. Nothing happens after the first sample."""
        with self._database.read() as connection:
            every = augmentations.derivatives_of(connection, record.id)
            frozen = datasets.get(connection, record.dataset)
        if any(one.draw for one in every):
            return
        made = [one for one in every if one.state == "made"]
        found = copies(made, load_rows(self._blobs, frozen), frozen.criterion)
        with self._database.begin() as connection:
            for one in every:
                if one.state == "open":
                    ended = replace(one, state="unusable", reason="making was ended before it")
                    augmentations.settle(connection, ended)
            augmentations.mark_copies(connection, found)

    def _queue(self, standing: Standing, number: int, plan: SamplePlan, kinds: Sequence[str]) -> Queue:
        record = standing.record
        with self._database.begin() as connection:
            every = augmentations.derivatives_of(connection, record.id)
            wanted = [one for one in standing.kinds if (not kinds or one.kind in kinds) and one.may_be_drawn]
            taken = [text for one in wanted for text in drawn(every, record.id, one.kind, plan.per_kind, number)]
            if not taken:
                raise nothing_to_draw(standing)
            examples.add(connection, [one.example for one in taken if one.example is not None], [], None)
            criterion = criteria.get(connection, record.criterion)
        queue_plan = QueuePlan(
            budget=len(taken),
            by="list",
            overlap_share=plan.overlap_share,
            labellers_each=plan.labellers_each,
            name=sample_queue(record.id, number),
            blind=True,
        )
        return make_listed_queue(self._database, criterion, queue_plan, [Listed(example_id=one.id) for one in taken])

    def _decide(self, connection: Connection, record: AugmentationRecord, one: KindStanding, floor: float) -> None:
        every = augmentations.derivatives_of(connection, record.id)
        mine = [derivative for derivative in every if derivative.kind == one.kind]
        criterion = criteria.get(connection, record.criterion)
        found = kind_receipt(record, mine, one.found, criterion, look=one.looks, floor=floor)
        now = utc_now()
        decision = Decision(augmentation=record.id, receipt=found, decided_by=self._settings.person, created_at=now)
        augmentations.decide(connection, decision)
        if found.kept:
            made = [derivative for derivative in mine if derivative.state == "made"]
            self._add_rows(connection, record, made, now)

    def _add_rows(
        self, connection: Connection, record: AugmentationRecord, made: Sequence[Derivative], now: str
    ) -> None:
        """The rows, each with the label that it was made for; where an expert answered, that answer stands alone."""
        answered = {example.id for example, _ in examples.iter_labelled(connection, record.criterion)}
        labels = [
            Label(
                example_id=one.id,
                value=one.label,
                labeller=record.id,
                source=KINDS[one.kind].label_source,
                criterion=record.criterion,
                created_at=now,
            )
            for one in made
            if one.id not in answered
        ]
        examples.add(connection, [one.example for one in made if one.example is not None], labels, None)


def _check_kinds(record: AugmentationRecord, kinds: Sequence[str]) -> None:
    for name in kinds:
        if name not in record.kinds:
            raise InputError(f"{record.id} has no such kind.", required=f"one of {record.kinds}", got=shown(name))


def _queue_named(connection: Connection, name: str) -> Queue | None:
    """The queue of a sample whose drawing was killed before its texts were marked; None where there is none."""
    return next((queue for queue in queues.every(connection) if queue.record.name == name), None)
