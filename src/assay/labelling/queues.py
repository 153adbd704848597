"""Making queues: which examples people shall label, in what order, and how many of them twice.

    chosen = pool_of(database, criterion, plan)                  # what may be drawn
    queue = make_queue(database, criterion, plan, chosen, scored)

Items stand in random order, so that a queue that was stopped half-way is still a sample. Knows no judge: scores are
passed in, aligned with the pool's ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from assay.labelling.sampling import draw, inclusion_probabilities, overlapping, uniform_part
from assay.labelling.stored_opinions import differ, stored_opinions
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, RefusedError, shown
from assay.schema.ids import utc_now
from assay.store import criteria
from assay.store.database import Connection, Database
from assay.store.labelling import queues
from assay.store.labelling.queues import PoolFilter, Queue, QueueItem, QueueRecord, Strategy

MAX_EACH = 20


@dataclass(frozen=True, kw_only=True)
class QueuePlan:
    """What is wanted of a queue.

    `budget` examples are drawn `by` a strategy, `uniform_share` of the drawing uniformly in any case. `overlap_share`
    of them go to `labellers_each` people. `consider` scores only so many examples of the pool, drawn uniformly: judging
    a large pool takes long.
    """

    budget: int
    by: Strategy = "uniform"
    pool: PoolFilter = field(default_factory=PoolFilter)
    uniform_share: float = 0.25
    overlap_share: float = 0.2
    labellers_each: int = 2
    blind: bool = True
    seed: int = 0
    consider: int | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if self.budget < 1 or (self.consider is not None and self.consider < 1):
            raise InputError("A queue holds examples.", required="1 or more", got=shown((self.budget, self.consider)))
        if not 0 < self.uniform_share <= 1:
            raise InputError(
                "Part of every queue is drawn uniformly: without it nothing measured on it holds for the rest.",
                required="a share above 0, up to 1",
                got=shown(self.uniform_share),
            )
        if not 0 <= self.overlap_share <= 1 or not 1 <= self.labellers_each <= MAX_EACH:
            raise InputError(
                "The overlap cannot be made.",
                required=f"a share from 0 to 1, and 1 to {MAX_EACH} labellers for each",
                got=f"{shown(self.overlap_share)}, {shown(self.labellers_each)}",
            )

    @property
    def drawn_uniformly(self) -> float:
        """The share of the drawing that is uniform: all of it where nothing else is asked for."""
        return 1.0 if self.by == "uniform" else self.uniform_share


@dataclass(frozen=True, kw_only=True)
class Pool:
    """What a queue is drawn from: `ids` of `size` examples (fewer ids where only some are considered)."""

    ids: tuple[str, ...]
    size: int


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What makes each example of a pool worth a label, and who says so. `strata` are drawn in proportion."""

    values: np.ndarray  # (n,) ≥ 0, aligned with the pool's ids
    scored_by: str | None = None
    hints: Sequence[str | None] | None = None
    strata: Sequence[int] | None = None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An example chosen by hand or by an audit; `hint` says why. `settle`: where its stored labels differ, they go
    to an adjudicator side by side, and nobody is asked anew.
    """

    example_id: str
    score: float | None = None
    hint: str | None = None
    settle: bool = False


def pool_of(database: Database, criterion: Criterion, plan: QueuePlan) -> Pool:
    """What may be drawn. Raises RefusedError where there is nothing."""
    _check_scale(criterion)
    with database.begin() as connection:
        criteria.record(connection, criterion)
    with database.read() as connection:
        ids = queues.pool(connection, criterion, plan.pool)
    if not ids:
        raise RefusedError(
            f"There is nothing to draw from for criterion {criterion.key!r}.",
            required=f"{_kind(plan.pool)} with text in one of {', '.join(criterion.reads)}, in no open queue",
            got="none",
            next_step=f"import some: assay data import FILE --criterion {criterion.name}"
            + (" (or --any-import takes what was imported for other criteria)" if plan.pool.imported_for else ""),
        )
    if plan.consider is None or plan.consider >= len(ids):
        return Pool(ids=tuple(ids), size=len(ids))
    if plan.consider < plan.budget:
        raise InputError("More is to be drawn than considered.", got=f"{plan.budget} of {plan.consider}")
    some = np.random.default_rng(plan.seed).permutation(len(ids))[: plan.consider]
    return Pool(ids=tuple(ids[place] for place in np.sort(some)), size=len(ids))


def make_queue(
    database: Database,
    criterion: Criterion,
    plan: QueuePlan,
    pool: Pool,
    scores: Scores | None = None,
    *,
    expected_gain: str = "not known",
) -> Queue:
    """Draw a queue from a pool and keep it. A budget above the pool takes all of it.

    Raises InputError (a strategy without scores), ConflictError (a taken name).
    """
    if scores is None and plan.by != "uniform":
        raise InputError(
            f"Drawing by {plan.by} needs scores.",
            required="a judge or a file of its verdicts",
            next_step="assay data hard-negatives CRITERION --budget N" if plan.by == "hard-negatives" else "",
        )
    n = min(plan.budget, len(pool.ids))
    values = np.zeros(len(pool.ids)) if scores is None else scores.values
    within = inclusion_probabilities(values, n, plan.drawn_uniformly)
    drawn = draw(within, plan.seed, None if scores is None else scores.strata)
    inclusion = within[drawn] * (len(pool.ids) / pool.size)
    uniform = uniform_part(within[drawn], len(pool.ids), plan.drawn_uniformly, plan.seed + 1)
    twice = _twice(n, plan)
    items = [
        QueueItem(
            position=position,
            example_id=pool.ids[place],
            inclusion=float(inclusion[position]),
            stratum="uniform" if uniform[position] else "targeted",
            score=None if scores is None else float(values[place]),
            hint=None if scores is None or scores.hints is None else scores.hints[place],
            wanted=plan.labellers_each if twice[position] else 1,
        )
        for position, place in enumerate(drawn.tolist())
    ]
    return _keep(database, criterion, plan, items, (pool.size, scores.scored_by if scores else None, expected_gain))


def make_listed_queue(database: Database, criterion: Criterion, plan: QueuePlan, listed: Sequence[Listed]) -> Queue:
    """A queue of chosen examples, such as an audit's suspects. It is no sample: it has no weights and no estimates.

    Raises InputError (none, or one twice), NotFoundError (an example that is not there), ConflictError.
    """
    _check_scale(criterion)
    ids = [one.example_id for one in listed]
    if not ids or len(set(ids)) != len(ids):
        raise InputError("A list names examples, each once.", got=f"{len(ids)} ids, {len(set(ids))} different ones")
    with database.begin() as connection:
        criteria.record(connection, criterion)
    with database.read() as connection:
        for _ in queues.iter_examples(connection, ids):
            pass
        settled = {
            one.example_id
            for one in listed
            if one.settle and differ(stored_opinions(connection, one.example_id, criterion))
        }
    order = np.random.default_rng(plan.seed).permutation(len(ids))[: plan.budget].tolist()
    twice = _twice(len(order), plan)
    wanted = [0 if ids[place] in settled else plan.labellers_each if twice[n] else 1 for n, place in enumerate(order)]
    items = [
        QueueItem(
            position=position,
            example_id=ids[place],
            inclusion=None,
            stratum="listed",
            score=listed[place].score,
            hint=listed[place].hint,
            wanted=wanted[position],
            state="free" if wanted[position] else "disputed",
        )
        for position, place in enumerate(order)
    ]
    overlapping_plan = plan if any(wanted) else replace(plan, overlap_share=0.0)
    return _keep(database, criterion, overlapping_plan, items, (len(ids), "a list", "not known"))


def _twice(n: int, plan: QueuePlan) -> np.ndarray:  # (n,) bool
    return overlapping(n, plan.overlap_share if plan.labellers_each > 1 else 0.0, plan.seed + 2)


def _keep(
    database: Database,
    criterion: Criterion,
    plan: QueuePlan,
    items: Sequence[QueueItem],
    origin: tuple[int, str | None, str],  # pool size, scored by, expected gain
) -> Queue:
    with database.begin() as connection:
        record = QueueRecord(
            name=plan.name or _free_name(connection, criterion.name),
            criterion=criterion.key,
            by=plan.by,
            pool=plan.pool.kind,
            pool_size=origin[0],
            size=len(items),
            uniform_share=plan.drawn_uniformly,
            overlap_share=plan.overlap_share,
            labellers_each=plan.labellers_each,
            blind=plan.blind,
            seed=plan.seed,
            scored_by=origin[1],
            expected_gain=origin[2],
            created_at=utc_now(),
        )
        queues.add(connection, record, items)
        return queues.get(connection, record.name)


def _free_name(connection: Connection, criterion: str) -> str:
    taken = {queue.record.name for queue in queues.every(connection)}
    number = 1
    while f"{criterion}-{number}" in taken:
        number += 1
    return f"{criterion}-{number}"


def _check_scale(criterion: Criterion) -> None:
    if criterion.scale.kind == "multi-label":
        raise InputError(
            "The labelling page gives one answer for each example.",
            required="a binary, categorical, ordinal or pairwise scale",
            got="a multi-label scale",
            next_step="make one criterion of each label",
        )


def _kind(pool: PoolFilter) -> str:
    which = "with an expert's label" if pool.kind == "labelled" else "without an expert's label"
    return f"{'' if pool.source is None else pool.source + ' '}examples {which}"
