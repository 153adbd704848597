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
from dataclasses import dataclass, replace

from assay.api.augment_plan import AugmentRequest, Planned, budget_spent, client_of, planned_of
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
from assay.schema.criterion import Criterion
from assay.schema.dataset import DatasetVersion
from assay.schema.errors import BudgetSpentError, InputError, shown
from assay.schema.ids import utc_now
from assay.schema.label import Label
from assay.serving.batch.sole_writer import sole_writer
from assay.store import augmentations, criteria, datasets, examples
from assay.store.augmentations import AugmentationRecord, Decision, Derivative
from assay.store.blobs import Blobs
from assay.store.database import Connection, Database
from assay.store.labelling import queues
from assay.store.labelling.queues import Queue

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
        frozen = self._newest(criterion) if request.dataset is None else self._dataset(criterion, request.dataset)
        rows = load_rows(self._blobs, frozen)
        return planned_of(frozen, rows, request, self._database, self._settings)

    def make(self, planned: Planned, *, limit_usd: float | None = None, on_made: OnMade | None = None) -> int:
        """Make what is open of a plan. Returns how many stayed open for want of an answer: make it again.

        `limit_usd` bounds what the receipt costs in all, by default what the plan costs at most. What was made is kept
        whatever comes. Raises BudgetSpentError, LlmFailure, MissingExtraError, ConflictError (another process does it).
        """
        record = planned.record
        lock = self._settings.data / f"{record.id}.lock"
        with sole_writer(lock, lock.with_suffix("")):
            with self._database.begin() as connection:
                augmentations.add(connection, record, [open_derivative(task) for task in planned.tasks])
            make_unaided(self._database, record.id, [task for task in planned.open if not task.kind.asks])
            asked = [task for task in planned.open if task.kind.asks]
            if not asked or planned.endpoint is None or record.generator is None:
                return 0
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
            except BudgetSpentError as error:
                raise budget_spent(planned, self._settings, limit, error) from None

    def sample(self, receipt: str, plan: SamplePlan | None = None, kinds: Sequence[str] = ()) -> Queue:
        """Draw a random sample of each kind and queue it for experts, blind: of kinds that have none yet, and of kinds
        that were refused. Texts that are copies go first. Once a sample is drawn, no more is made.

        Raises NotFoundError, InputError (an unknown kind), RefusedError (nothing to draw).
        """
        plan = plan or SamplePlan()
        self._end_making(receipt)
        with self._database.begin() as connection:
            record = augmentations.get(connection, receipt)
            standing = standing_of(connection, record)
            number = len(standing.samples) + 1
            taken = self._drawn(connection, standing, plan, kinds, number)
            examples.add(connection, [one.example for one in taken if one.example is not None], [], None)
            criterion = criteria.get(connection, record.criterion)
        queue = self._queue(criterion, record.id, number, taken, plan)
        with self._database.begin() as connection:
            augmentations.mark_drawn(connection, [one.id for one in taken], number)
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

    def _end_making(self, receipt: str) -> None:
        """What is still open is not made any more; copies are set aside. Nothing happens after the first sample."""
        with self._database.read() as connection:
            record = augmentations.get(connection, receipt)
            every = augmentations.derivatives_of(connection, receipt)
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

    def _drawn(
        self, connection: Connection, standing: Standing, plan: SamplePlan, kinds: Sequence[str], number: int
    ) -> list[Derivative]:
        record = standing.record
        for name in kinds:
            if name not in record.kinds:
                raise InputError(f"{record.id} has no such kind.", required=f"one of {record.kinds}", got=shown(name))
        wanted = [one for one in standing.kinds if (not kinds or one.kind in kinds) and one.may_be_drawn]
        every = augmentations.derivatives_of(connection, record.id)
        taken = [
            derivative for one in wanted for derivative in drawn(every, record.id, one.kind, plan.per_kind, number)
        ]
        if not taken:
            raise nothing_to_draw(standing)
        return taken

    def _queue(
        self, criterion: Criterion, receipt: str, number: int, taken: Sequence[Derivative], plan: SamplePlan
    ) -> Queue:
        name = sample_queue(receipt, number)
        with self._database.read() as connection:
            known = [queue for queue in queues.every(connection) if queue.record.name == name]
        if known:  # killed between the queue and the mark
            return known[0]
        wanted = QueuePlan(
            budget=len(taken),
            by="list",
            overlap_share=plan.overlap_share,
            labellers_each=plan.labellers_each,
            name=name,
            blind=True,
        )
        return make_listed_queue(self._database, criterion, wanted, [Listed(example_id=one.id) for one in taken])

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

    def _dataset(self, criterion: str, dataset: str) -> DatasetVersion:
        with self._database.read() as connection:
            found = datasets.get(connection, dataset)
        if found.criterion.name != criterion:
            raise InputError(
                f"The dataset {dataset} is about another criterion.",
                required=f"a dataset of {shown(criterion)}",
                got=f"one of {found.criterion.key!r}",
            )
        return found
