"""Labelling: queues, labellers and what to label next, in one workspace.

labelling = here.labelling
labeller, secret = labelling.add_labeller("mia")
queue, gain = labelling.next(here.criterion("advice"), QueuePlan(budget=200))
labelling.serve()                           # the page, until interrupted
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.datasets.consensus import target_of
from assay.ingest.row import MalformedRow
from assay.ingest.rows import read_rows
from assay.labelling.estimates import pool_shares
from assay.labelling.evidence import Evidence, scores_of
from assay.labelling.export import iter_export
from assay.labelling.labellers import add_labeller, remove_labeller
from assay.labelling.opinions import read_opinions
from assay.labelling.queues import Listed, Pool, QueuePlan, make_listed_queue, make_queue, pool_of
from assay.labelling.scores import Opinion, opinion_of
from assay.metrics.intervals import Estimate
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.label import LabelSource
from assay.store import criteria, examples
from assay.store.database import Database
from assay.store.labelling import people, queues, weights, work
from assay.store.labelling.people import Labeller
from assay.store.labelling.queues import Queue
from assay.store.labelling.work import Member

if TYPE_CHECKING:
    from assay.api.loaded_judge import LoadedJudge
    from assay.labelling.gain import ExpectedGain

OnScored = Callable[[int, int], None]  # examples judged, examples in all


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a queue shall be drawn by: a judge (a reference), or a file of its verdicts; another file to compare with;
    slices.
    """

    judge: str | None = None
    verdicts: Path | None = None
    against: Path | None = None
    slice_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a queue stands: everybody's part, and what its labels say of the pool (empty where it is no sample)."""

    queue: Queue
    members: Mapping[str, Member]
    pool_shares: Mapping[str, Estimate]


class Labelling:
    """The labelling side of a workspace; `Workspace.labelling` gives it."""

    def __init__(self, database: Database, load: "Callable[[str], LoadedJudge]") -> None:
        self.database = database
        self._load = load

    def add_labeller(
        self, name: str, *, source: LabelSource = "expert", adjudicates: bool = False
    ) -> tuple[Labeller, str]:
        """A labeller and their secret, which is shown once. Raises InputError, ConflictError."""
        return add_labeller(self.database, name, source=source, adjudicates=adjudicates)

    def remove_labeller(self, name: str) -> None:
        """End a labeller's sign-in; their labels stay. Raises NotFoundError."""
        remove_labeller(self.database, name)

    def labellers(self) -> tuple[Labeller, ...]:
        """Everybody, removed ones too."""
        with self.database.read() as connection:
            return people.every(connection)

    def make(
        self, criterion: Criterion, plan: QueuePlan, asked: Asked | None = None, on_scored: OnScored | None = None
    ) -> Queue:
        """Draw a queue. Errors as `labelling.queues` and `labelling.evidence`."""
        pool = pool_of(self.database, criterion, plan)
        evidence = self._evidence(criterion, plan, pool, asked or Asked(), on_scored)
        return make_queue(
            self.database, criterion, plan, pool, scores_of(self.database, criterion, plan, pool, evidence)
        )

    def next(
        self, criterion: Criterion, plan: QueuePlan, asked: Asked | None = None, on_scored: OnScored | None = None
    ) -> "tuple[Queue, ExpectedGain]":
        """Draw what to label next and say what it can be expected to bring. Errors as `make`."""
        pool = pool_of(self.database, criterion, plan)
        gain = self.expected_gain(criterion, plan)
        evidence = self._evidence(criterion, plan, pool, asked or Asked(), on_scored)
        scores = scores_of(self.database, criterion, plan, pool, evidence)
        return make_queue(self.database, criterion, plan, pool, scores, expected_gain=gain.sentence()), gain

    def expected_gain(self, criterion: Criterion, plan: QueuePlan) -> "ExpectedGain":
        """What so many more labels can be expected to bring, as far as the labels here can tell."""
        from assay.labelling.gain import LabelledTexts, expected_gain  # noqa: PLC0415 - scikit-learn takes a second

        texts, targets, groups = [], [], []
        with self.database.read() as connection:
            for example, labels in examples.iter_labelled(connection, criterion.key):
                target = target_of(labels)
                if target is not None:
                    texts.append(example.text(criterion.reads))
                    targets.append(target.value)
                    groups.append(example.group or example.id)
        rows = LabelledTexts(texts=texts, targets=targets, groups=groups)
        return expected_gain(rows, plan.budget, uniform_share=plan.drawn_uniformly, seed=plan.seed)

    def make_listed(self, criterion: Criterion, plan: QueuePlan, listed: Sequence[Listed]) -> Queue:
        """A queue of chosen examples, such as an audit's suspects. Errors as `labelling.queues.make_listed_queue`."""
        return make_listed_queue(self.database, criterion, plan, listed)

    def queues(self) -> tuple[Queue, ...]:
        """All queues, oldest first."""
        with self.database.read() as connection:
            return queues.every(connection)

    def standing(self, name: str) -> Standing:
        """How a queue stands. Raises NotFoundError."""
        with self.database.read() as connection:
            queue = queues.get(connection, name)
            labels = criteria.get(connection, queue.record.criterion).labels
            members = work.members(connection, name)
        return Standing(queue=queue, members=members, pool_shares=pool_shares(self.database, name, labels))

    def close(self, name: str) -> Queue:
        """Take a queue off the page; its labels and weights stay. Raises NotFoundError."""
        with self.database.begin() as connection:
            queues.close(connection, name)
            return queues.get(connection, name)

    def weights(self, criterion: Criterion) -> Mapping[str, float]:
        """Example id → the weight that the drawing of its queue gives it (mean 1 within a queue)."""
        with self.database.read() as connection:
            return weights.weights(connection, criterion)

    def export(self, name: str) -> Iterator[dict[str, Any]]:
        """The answered examples of a queue as rows that can be imported again. Raises NotFoundError."""
        return iter_export(self.database, name)

    def _evidence(
        self, criterion: Criterion, plan: QueuePlan, pool: Pool, asked: Asked, on_scored: OnScored | None
    ) -> Evidence:
        theirs = None if asked.against is None else read_opinions(asked.against, criterion)
        if asked.judge is not None and asked.verdicts is not None:
            raise InputError("The verdicts come from one place.", required="--judge or --verdicts", got="both")
        if plan.by not in ("uncertainty", "disagreement") or (asked.judge is None and asked.verdicts is None):
            return Evidence(theirs=theirs, slice_key=asked.slice_key)
        if asked.verdicts is not None:
            ours = read_opinions(asked.verdicts, criterion)
            return Evidence(ours=ours, named=asked.verdicts.name, theirs=theirs)
        judge = self._load(str(asked.judge))
        ours = judged_opinions(self.database, judge, criterion, pool, on_scored)
        return Evidence(ours=ours, named=judge.id, theirs=theirs)


def judged_opinions(
    database: Database, judge: "LoadedJudge", criterion: Criterion, pool: Pool, on_scored: OnScored | None
) -> dict[str, Opinion]:
    """What a judge says of a pool, by example id. Raises InputError: it answers on another scale."""
    if judge.criterion.labels != criterion.labels:
        raise InputError(
            f"The judge {judge.id} answers on another scale.",
            required=shown(list(criterion.labels)),
            got=shown(list(judge.criterion.labels)),
        )
    found: dict[str, Opinion] = {}
    with database.read() as connection:
        verdicts = judge.running.judge_many(queues.iter_examples(connection, pool.ids))
        for example_id, verdict in zip(pool.ids, verdicts, strict=True):
            found[example_id] = opinion_of(verdict)
            if on_scored is not None:
                on_scored(len(found), len(pool.ids))
    return found


def read_listed(path: Path) -> list[Listed]:
    """Examples listed in a file: rows with `id`, and perhaps `score`, `hint` and `settle`.

    Raises InputError, NotFoundError.
    """
    found = []
    for row in read_rows(path, None):
        if isinstance(row, MalformedRow) or not isinstance(row.values.get("id"), str | int):
            got = row.reason if isinstance(row, MalformedRow) else shown(row.values.get("id"))
            raise InputError(f"Row {row.number} of {path.name} names no example.", required="an id", got=got)
        score, hint = row.values.get("score"), row.values.get("hint")
        found.append(
            Listed(
                example_id=str(row.values["id"]),
                score=None if score is None else float(score),
                hint=None if hint is None else str(hint),
                settle=row.values.get("settle") is True,
            )
        )
    return found
