"""Running the judge over the test rows, and its verdicts as arrays.

`judged(judge, rows)` calls `judge.judge_many`, the path that serves, and never one of its own. A Failed verdict has no
place in a rate; an Abstained one counts as undecided: it lowers the coverage and enters no other measure.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from assay.judging.judge import Judge
from assay.metrics.intervals import wilson
from assay.metrics.resampling import Resampling
from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow
from assay.schema.errors import ConflictError, RefusedError, shown
from assay.schema.verdict import Abstained, Decided, Failed, Verdict
from assay.validation.plain_text import plain
from assay.validation.report import Answers, Failure

MAX_LISTED_FAILURES = 20
QUANTILES = (50, 95, 99)


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """Verdicts beside the rows they are about, in one order, and how long they took."""

    rows: tuple[FrozenRow, ...]
    verdicts: tuple[Verdict, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """The decided rows as arrays. Labels are codes in the order of the scale.

    `margin` in [0.5, 1) says how sure the judge was: for binary scales σ(|logit p − logit threshold|), which a prior
    shift does not change; for others the top probability.
    """

    criterion: Criterion
    rows: tuple[FrozenRow, ...]
    truth: np.ndarray  # (n,) int
    predicted: np.ndarray  # (n,) int
    probabilities: np.ndarray  # (n, k) as the judge gave them
    uncalibrated: np.ndarray  # (n, k) the raw scores as probabilities
    margin: np.ndarray  # (n,)
    resampling: Resampling

    @property
    def binary(self) -> bool:
        """True for a binary scale."""
        return self.criterion.scale.kind == "binary"

    @property
    def positive(self) -> int:
        """The code of the positive label. Raises ValueError unless the scale is binary."""
        return positive_code(self.criterion)

    def where(self, mask: np.ndarray) -> "Outcomes":
        """The rows where mask (n,) is true."""
        rows = tuple(row for row, kept in zip(self.rows, mask, strict=True) if kept)
        return Outcomes(
            criterion=self.criterion,
            rows=rows,
            truth=self.truth[mask],
            predicted=self.predicted[mask],
            probabilities=self.probabilities[mask],
            uncalibrated=self.uncalibrated[mask],
            margin=self.margin[mask],
            resampling=by_component(rows, self.resampling.seed),
        )


def positive_code(criterion: Criterion) -> int:
    """The code of a binary scale's positive label. Raises ValueError for other scales."""
    return criterion.labels.index(criterion.scale.positive or "")


def by_component(rows: Sequence[FrozenRow], seed: int) -> Resampling:
    """Resampling that draws rows of one group, or near-duplicates of one another, together."""
    return Resampling(groups=[row.component for row in rows], seed=seed)


def judged(judge: Judge, rows: Sequence[FrozenRow], progress: Callable[[int, int], None] | None = None) -> Judged:
    """One verdict a row from `judge.judge_many`. `progress(done, total)` is called after each.

    Raises ConflictError when the judge gives more or fewer verdicts than rows, or signs one as another version.
    """
    started = time.perf_counter()
    verdicts: list[Verdict] = []
    for verdict in _signed(judge.id, judge.judge_many(row.example for row in rows)):
        verdicts.append(verdict)
        if progress is not None:
            progress(len(verdicts), len(rows))
    if len(verdicts) != len(rows):
        raise ConflictError(
            "The judge did not give one verdict an example.",
            required=f"{len(rows)} verdicts",
            got=f"{len(verdicts)}",
        )
    return Judged(rows=tuple(rows), verdicts=tuple(verdicts), seconds=time.perf_counter() - started)


def _signed(judge: str, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    for verdict in verdicts:
        if verdict.judge != judge:
            raise ConflictError(
                "A verdict is signed by another judge than the one evaluated; only what ships is evaluated.",
                required=judge,
                got=shown(verdict.judge),
            )
        yield verdict


def answers_of(run: Judged) -> Answers:
    """Counts of what became of the rows. Raises RefusedError when nothing was decided: there is then nothing to
    measure.
    """
    decided = [verdict for verdict in run.verdicts if isinstance(verdict, Decided)]
    abstained = [verdict for verdict in run.verdicts if isinstance(verdict, Abstained)]
    failures = [
        Failure(example=plain(row.example.id), reason=plain(verdict.reason, limit=200))
        for row, verdict in zip(run.rows, run.verdicts, strict=True)
        if isinstance(verdict, Failed)
    ]
    if not decided:
        raise RefusedError(
            "The judge decided none of the test rows, so there is nothing to measure.",
            required="at least one decided verdict",
            got=f"{len(abstained)} abstained, {len(failures)} failed"
            + (f" (the first one: {failures[0].reason})" if failures else ""),
            next_step="assay doctor",
        )
    scored: list[Decided | Abstained] = [*decided, *abstained]
    truncated = [verdict.truncated_tokens for verdict in scored if verdict.truncated_tokens]
    latencies = np.percentile([verdict.latency_ms for verdict in scored], QUANTILES)
    return Answers(
        rows=len(run.rows),
        decided=len(decided),
        abstained=len(abstained),
        failed=len(failures),
        coverage=wilson(len(decided), len(scored)),
        failed_share=wilson(len(failures), len(run.rows)),
        failures=tuple(failures[:MAX_LISTED_FAILURES]),
        truncated_rows=len(truncated),
        truncated_tokens=sum(truncated),
        latency_ms={f"p{quantile}": float(value) for quantile, value in zip(QUANTILES, latencies, strict=True)},
        seconds=run.seconds,
    )


def outcomes_of(run: Judged, criterion: Criterion, threshold: float | None, seed: int) -> Outcomes:
    """The decided rows as arrays, at least one. Raises InputError for a label that is not on the scale."""
    pairs = [(row, v) for row, v in zip(run.rows, run.verdicts, strict=True) if isinstance(v, Decided)]
    codes = {label: code for code, label in enumerate(criterion.labels)}
    rows = tuple(row for row, _ in pairs)
    probabilities = np.array([[v.probabilities[label] for label in criterion.labels] for _, v in pairs])
    return Outcomes(
        criterion=criterion,
        rows=rows,
        truth=np.array([codes[criterion.check_label(row.target.value)] for row in rows]),
        predicted=np.array([codes[criterion.check_label(v.label)] for _, v in pairs]),
        probabilities=probabilities,
        uncalibrated=softmax([[v.scores[label] for label in criterion.labels] for _, v in pairs], axis=1),
        margin=_margin(probabilities, criterion, threshold),
        resampling=by_component(rows, seed),
    )


def _margin(probabilities: np.ndarray, criterion: Criterion, threshold: float | None) -> np.ndarray:
    if criterion.scale.kind != "binary":
        return np.asarray(probabilities.max(axis=1))
    distance = _log_odds(probabilities[:, positive_code(criterion)])
    distance = np.abs(distance - _log_odds(np.array(0.5 if threshold is None else threshold)))
    return np.asarray(1 / (1 + np.exp(-distance)))


def _log_odds(p: np.ndarray) -> np.ndarray:
    clipped = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))
