"""A quantised child against its parent, on one fixed probe set: how much faster and smaller, and what it cost.

    report = replace(report, against_parent=compare(child, parent, test_rows, sizes))

Both judges answer the same rows through the path that serves. Flips and drift need no labels; the loss of F1 does. It
decides nothing: `gates` does.
"""

from collections.abc import Sequence

import numpy as np

from assay.judging.judge import Judge
from assay.metrics.accuracy import BINARY_STATISTICS, share
from assay.metrics.intervals import Estimate
from assay.metrics.multiclass import macro_f1_statistic
from assay.metrics.resampling import bootstrap, paired_bootstrap, weighted_mean
from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow
from assay.schema.errors import RefusedError
from assay.schema.verdict import Abstained, Decided, Verdict
from assay.validation.outcomes import Judged, by_component, judged
from assay.validation.report import AgainstParent, ModelSize

TIMED_RUNS = 2


def compare(
    child: Judge, parent: Judge, rows: Sequence[FrozenRow], sizes: tuple[ModelSize, ModelSize], seed: int = 0
) -> AgainstParent:
    """Judge the probe rows with both, in turns, and put the answers side by side.

    Args:
        child: the quantised judge.
        parent: the judge that it was made from.
        rows: the probe set, at least one row.
        sizes: of child and parent.
        seed: of the resampling.

    Raises RefusedError where no row was scored by both.

    """
    runs: list[tuple[Judged, Judged]] = [(judged(child, rows), judged(parent, rows)) for _ in range(TIMED_RUNS)]
    seconds = [min(pair[side].seconds for pair in runs) for side in (0, 1)]
    pairs = list(zip(runs[0][0].verdicts, runs[0][1].verdicts, strict=True))
    scored = [place for place, pair in enumerate(pairs) if all(isinstance(one, Decided | Abstained) for one in pair)]
    if not scored:
        raise RefusedError(
            "Child and parent cannot be compared: no row was judged by both.",
            required="test rows that both can judge",
            got=f"{len(rows)} rows",
        )
    resampling = by_component(rows, seed)
    within = by_component([rows[place] for place in scored], seed)
    flipped = np.array([answer(one) != answer(other) for one, other in pairs])
    flips = share(flipped, np.ones(len(rows), dtype=bool), resampling)
    assert flips is not None  # noqa: S101 - there are rows
    scores = [np.array([_scores(pairs[place][side], child.criterion) for place in scored]) for side in (0, 1)]
    chances = [np.array([_chances(pairs[place][side], child.criterion) for place in scored]) for side in (0, 1)]
    moved = np.abs(_log_odds(scores[0]) - _log_odds(scores[1])).max(axis=1)
    return AgainstParent(
        parent=parent.id,
        rows=len(rows),
        flips=flips,
        score_drift=bootstrap(weighted_mean, [moved], within),
        largest_score_drift=float(moved.max()),
        probability_drift=bootstrap(weighted_mean, [np.abs(chances[0] - chances[1]).max(axis=1)], within),
        f1_loss=_loss(pairs, rows, child.criterion, seed),
        rows_per_s=len(rows) / seconds[0],
        parent_rows_per_s=len(rows) / seconds[1],
        size=sizes[0],
        parent_size=sizes[1],
    )


def answer(verdict: Verdict) -> str:
    """What a verdict comes to: its label, or that there is none.

    >>> answer(Abstained(reason="", probabilities={}, scores={}, judge="a-1", latency_ms=1.0))
    'abstained'
    """
    return f"label {verdict.label}" if isinstance(verdict, Decided) else type(verdict).__name__.lower()


def _scores(verdict: Verdict, criterion: Criterion) -> list[float]:
    assert isinstance(verdict, Decided | Abstained)  # noqa: S101 - only those are passed
    return [verdict.scores[label] for label in criterion.labels]


def _chances(verdict: Verdict, criterion: Criterion) -> list[float]:
    assert isinstance(verdict, Decided | Abstained)  # noqa: S101 - only those are passed
    return [verdict.probabilities[label] for label in criterion.labels]


def _log_odds(scores: np.ndarray) -> np.ndarray:  # (n, k) log-softmax → (n, k)
    """Log p − log(1 − p) of each label: a logit difference where there are two."""
    inverse = np.log(-np.expm1(np.minimum(scores, -1e-12)))
    return np.asarray(scores - inverse)


def _loss(
    pairs: Sequence[tuple[Verdict, Verdict]], rows: Sequence[FrozenRow], criterion: Criterion, seed: int
) -> Estimate | None:
    """The parent's F1 (macro-F1 on other scales) minus the child's where both decided; None where it is undefined."""
    kept = [place for place, pair in enumerate(pairs) if all(isinstance(one, Decided) for one in pair)]
    codes = {label: code for code, label in enumerate(criterion.labels)}
    truth = np.array([codes[str(rows[place].target.value)] for place in kept])
    said = [np.array([codes[getattr(pairs[place][side], "label")] for place in kept]) for side in (1, 0)]  # noqa: B009
    statistic = macro_f1_statistic(len(codes))
    if criterion.scale.positive is not None:
        positive = codes[criterion.scale.positive]
        statistic = BINARY_STATISTICS["f1"]
        truth, said = truth == positive, [side == positive for side in said]
    if not len(truth):
        return None
    try:
        return paired_bootstrap(statistic, truth, said[0], said[1], by_component([rows[place] for place in kept], seed))
    except ValueError:  # a class is missing
        return None
