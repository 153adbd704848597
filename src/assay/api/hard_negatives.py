"""Hard negatives of a workspace: queues mined from traffic, for the experts.

    plan = QueuePlan(budget=400, by="hard-negatives")
    here.hard_negatives.mine(here.criterion("safety"), plan, Asked(judge="safety@candidate")).mined

It computes nothing itself.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from assay.api.embedding import embedder
from assay.api.labelling import Asked, OnScored, judged_opinions
from assay.api.mining_pool import LabelledRows, labelled_by_people, mining_pool
from assay.api.pool_views import view_of
from assay.datasets.candidates import judged_key
from assay.datasets.hard_negatives.mining import Mined, MinedRow, MiningSettings, PoolRows, Reason, mine
from assay.datasets.hard_negatives.views import View
from assay.labelling.evidence import stored_opinions
from assay.labelling.opinions import read_opinions
from assay.labelling.queues import Pool, QueuePlan, Scores, make_queue
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.store.blobs import Blobs
from assay.store.database import Database
from assay.store.labelling.queues import Queue

if TYPE_CHECKING:
    from assay.api.loaded_judge import LoadedJudge

EMBED_ROWS = 512
OnStage: TypeAlias = Callable[[str, int, int], None]  # stage, rows done, rows in all
Embed: TypeAlias = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class MinedQueue:
    """A mined queue, and what it was mined from.

    `mined` and `candidates` count rows by reason: those taken, those that would have done. `copies` of the candidates
    were left out for copying a labelled row or one another; `in_contrast` counts the rows of the pool that stand in
    each contrast set. `positives` labelled rows were searched around.
    """

    queue: Queue
    mined: Mapping[Reason, int]
    candidates: Mapping[Reason, int]
    copies: int
    in_contrast: Mapping[str, int]
    positives: int


class HardNegatives:
    """Made by `Workspace.hard_negatives`."""

    def __init__(self, database: Database, blobs: Blobs, backbone: str, load: "Callable[[str], LoadedJudge]") -> None:
        self._database = database
        self._blobs = blobs
        self._backbone = backbone
        self._load = load

    def mine(
        self,
        criterion: Criterion,
        plan: QueuePlan,
        asked: Asked | None = None,
        settings: MiningSettings | None = None,
        on_stage: OnStage = lambda stage, done, total: None,
    ) -> MinedQueue:
        """Mine a queue. Its mined items are certain to be in it; the uniform share is drawn from the rest of the pool,
        so that estimates hold for the whole.

        Raises InputError (not binary, another strategy), RefusedError (an empty pool, nothing labelled positive),
        MissingExtraError (embeddings), and as `labelling.queues` and `labelling.opinions`.
        """
        check_plan(criterion, plan)
        mining, opinions = settings or MiningSettings(), asked or Asked()
        labelled = labelled_by_people(self._database, criterion)
        on_stage("comparing with contrast sets", 0, 1)
        found = mining_pool(self._database, self._blobs, criterion, plan, labelled, mining.similar)
        judge, name = self._judge_view(
            criterion, found.pool, opinions, lambda done, all_: on_stage("judging", done, all_)
        )
        embed = _in_pieces(embedder(self._backbone), on_stage)
        rows = PoolRows(
            texts=[judged_key(example, criterion.reads) for example in found.examples],
            vectors=embed([example.text(criterion.reads) for example in found.examples]),
            positives=embed(labelled.positives),
            judge=judge,
            teacher=self._teacher_view(criterion, found.pool, opinions, plan),
            known=labelled.known,
        )
        on_stage("choosing", 0, len(rows.texts))
        budget = min(plan.budget, len(rows.texts))
        mined = mine(rows, int(round((1 - plan.drawn_uniformly) * budget, 6)), mining)  # 1 - 0.9 is less than 0.1
        scores = Scores(
            values=_certain(mined, len(rows.texts)),
            scored_by=f"hard negatives of {name}",
            hints=_hints(mined, rows, labelled, str(criterion.scale.positive)),
        )
        return MinedQueue(
            queue=make_queue(self._database, criterion, plan, found.pool, scores),
            mined=Counter(row.reason for row in mined.rows),
            candidates=mined.candidates,
            copies=mined.copies,
            in_contrast=found.in_contrast,
            positives=len(labelled.positives),
        )

    def _judge_view(self, criterion: Criterion, pool: Pool, asked: Asked, on_scored: OnScored) -> tuple[View, str]:
        """What the judge says of the pool, and whose hard negatives they are."""
        if asked.judge is not None and asked.verdicts is not None:
            raise InputError("The verdicts come from one place.", required="--judge or --verdicts", got="both")
        if asked.verdicts is not None:
            return view_of(read_opinions(asked.verdicts, criterion), pool, criterion), asked.verdicts.name
        if asked.judge is None:
            return View.silent(len(pool.ids)), "the labelled positive rows"
        judge = self._load(asked.judge)
        return view_of(judged_opinions(self._database, judge, criterion, pool, on_scored), pool, criterion), judge.id

    def _teacher_view(self, criterion: Criterion, pool: Pool, asked: Asked, plan: QueuePlan) -> View:
        if asked.against is not None:
            return view_of(read_opinions(asked.against, criterion), pool, criterion)
        return view_of(stored_opinions(self._database, criterion, plan), pool, criterion)


def check_plan(criterion: Criterion, plan: QueuePlan) -> None:
    """Raises InputError unless the criterion has a positive label and the plan mines."""
    if criterion.scale.positive is None:
        raise InputError(
            "Hard negatives are those of a positive label.",
            required="a criterion on a binary scale",
            got=f"{criterion.key!r} on a {criterion.scale.kind} scale",
        )
    if plan.by != "hard-negatives" or plan.pool.kind != "unlabelled":
        raise InputError(
            "Hard negatives are mined from examples that no expert has labelled.",
            required='a plan with by="hard-negatives" and an unlabelled pool',
            got=f"{shown(plan.by)}, {plan.pool.kind}",
        )


def _in_pieces(embed: Embed, on_stage: OnStage) -> Embed:
    def pieces(texts: Sequence[str]) -> np.ndarray:
        found = []
        for start in range(0, len(texts), EMBED_ROWS):
            on_stage("embedding", start, len(texts))
            found.append(embed(texts[start : start + EMBED_ROWS]))
        return np.concatenate(found)

    return pieces


def _certain(mined: Mined, n: int) -> np.ndarray:  # (n,) 1 for the mined rows
    values = np.zeros(n)
    values[[row.place for row in mined.rows]] = 1.0
    return values


def _hints(mined: Mined, rows: PoolRows, labelled: LabelledRows, positive: str) -> list[str | None]:
    hints: list[str | None] = [None] * len(rows.texts)
    for row in mined.rows:
        said = [
            f"{who}: {positive} {view.positive[row.place]:.2f}"
            for who, view in (("judge", rows.judge), ("teacher", rows.teacher))
            if view.asked[row.place]
        ]
        hints[row.place] = ", ".join([_near(row, labelled), *said])
    return hints


def _near(row: MinedRow, labelled: LabelledRows) -> str:
    return f"{row.reason}, {row.nearness:.2f} near {labelled.positive_ids[row.nearest]}"
