"""Two judges on one fixed contrast set: how many false alarms each raises where both find as many positive rows.

    found = compare_on_contrast(before, after, rows_of_the_set)
    found.at.difference.value  # −0.06: the judge after raises false alarms on 6 of 100 negative rows fewer
    found.fewer_false_alarms   # whether that is shown, or may be chance

The recall is the one that the judge before has at the threshold it ships with, or a stated one; the thresholds of both
are then moved to that recall, so a judge that flags less of everything gains nothing. Knows nothing of where the rows
are kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from assay.judging.judge import Judge
from assay.metrics.confusion import ratio
from assay.metrics.intervals import Estimate
from assay.metrics.ranking import alarms_at, auroc_of, fpr_at_recall_of
from assay.metrics.resampling import Resampling, bootstrap, paired_bootstrap
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, RefusedError, shown
from assay.schema.example import Example
from assay.schema.verdict import Abstained, Decided, Verdict

RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SIGN_LEVEL = 0.05  # two-sided: 6 rows against 0 are the least that show something
OnJudged = Callable[[int, int], None]
_ROUNDING = 1e-9  # of probabilities that were computed in another order


@dataclass(frozen=True, kw_only=True)
class SignTest:
    """On how many groups of negative rows (a row without a group is its own) the judge after raises fewer false alarms
    than the one before, on how many more, and how likely so uneven a split is where neither is better (exact, binomial,
    two-sided; of single rows it is McNemar's exact test).
    """

    fewer: int
    more: int
    p: float


@dataclass(frozen=True, kw_only=True)
class AtRecall:
    """False-positive rates where both judges have `recall`, and their `difference`, after − before.

    `change` is after / before − 1, a description: a resample in which the judge before raises no false alarm has no
    ratio and is left out, so that its interval can lie below 0 by chance. None without a false alarm before.
    """

    recall: float
    before: Estimate
    after: Estimate
    difference: Estimate
    change: Estimate | None
    sign: SignTest


@dataclass(frozen=True, kw_only=True)
class ContrastComparison:
    """What was found. `shipped` holds recall and false-positive rate of the judge before at its own threshold;
    `left_out` counts rows that one of the two could not judge; `unchecked` names the judges whose training rows are
    not here, so that nobody knows whether they saw rows of the set.
    """

    before: str
    after: str
    positives: int
    negatives: int
    left_out: int
    shipped: tuple[float, float]
    at: AtRecall
    elsewhere: tuple[AtRecall, ...]  # at other recalls, to see whether much hangs on that one
    auroc: tuple[Estimate, Estimate]
    auroc_gain: Estimate
    unchecked: tuple[str, ...] = ()

    @property
    def change(self) -> Estimate | None:
        """The relative change of the false-positive rate at equal recall."""
        return self.at.change

    @property
    def fewer_false_alarms(self) -> bool:
        """Whether the interval of the difference lies below 0 and the sign test agrees: on a handful of rows the
        bootstrap has hardly any width.
        """
        sign = self.at.sign
        return self.at.difference.high < 0 and sign.fewer > sign.more and sign.p < SIGN_LEVEL


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """Rows that both judges scored. `called` is what the judge before decided at its own threshold."""

    truth: np.ndarray  # (n,) of 0 and 1
    before: np.ndarray  # (n,) probability of the positive label
    after: np.ndarray  # (n,)
    called: np.ndarray  # (n,) of 0 and 1
    groups: np.ndarray  # (n,) the group of each row, its id where it has none


def compare_on_contrast(
    before: Judge,
    after: Judge,
    rows: Sequence[tuple[Example, str]],  # with their labels
    *,
    recall: float | None = None,
    seed: int = 0,
    on_judged: OnJudged | None = None,
) -> ContrastComparison:
    """Judge the rows with both and compare. Rows are resampled together for both judges, those of one group whole.

    Raises InputError (scales that differ or are not binary, a recall outside (0, 1], a row off the scale), RefusedError
    (a class is missing, or the judge before flags no positive row and no recall is given).
    """
    if recall is not None and not 0 < recall <= 1:
        raise InputError("A recall is a share.", required="a number above 0, up to 1", got=shown(recall))
    scored, left_out = scored_by(before, after, rows, on_judged)
    return compared(scored, (before.id, after.id), recall=recall, left_out=left_out, seed=seed)


def scored_by(
    before: Judge, after: Judge, rows: Sequence[tuple[Example, str]], on_judged: OnJudged | None = None
) -> tuple[Scored, int]:
    """The rows as both judges score them, and how many were left out because one could not. Raises InputError."""
    positive = _positive(before.criterion, after.criterion)
    for _, label in rows:
        before.criterion.check_label(label)
    done = 0

    def on_batch(size: int) -> None:
        nonlocal done
        done += size
        if on_judged is not None:
            on_judged(done, 2 * len(rows))

    said = [list(judge.judge_many((example for example, _ in rows), on_batch)) for judge in (before, after)]
    kept = [place for place, pair in enumerate(zip(*said, strict=True)) if all(_has_scores(one) for one in pair)]
    scored = Scored(
        truth=np.array([rows[place][1] == positive for place in kept], dtype=float),
        before=np.array([_chance(said[0][place], positive) for place in kept]),
        after=np.array([_chance(said[1][place], positive) for place in kept]),
        called=np.array([getattr(said[0][place], "label", None) == positive for place in kept], dtype=float),
        groups=np.array([rows[place][0].group or rows[place][0].id for place in kept], dtype=str),
    )
    return scored, len(rows) - len(kept)


def compared(
    scored: Scored, ids: tuple[str, str], *, recall: float | None = None, left_out: int = 0, seed: int = 0
) -> ContrastComparison:
    """The comparison of scored rows. Raises RefusedError as `compare_on_contrast`."""
    positives = int(scored.truth.sum())
    negatives = len(scored.truth) - positives
    if not positives or not negatives:
        raise RefusedError(
            "A contrast set shows nothing with one class only.",
            required="rows of both classes that both judges can judge",
            got=f"{positives} positive, {negatives} negative, {left_out} not judged",
        )
    shipped = (_mean(scored.called, scored.truth), _mean(scored.called, 1 - scored.truth))
    if recall is None and shipped[0] == 0:
        raise RefusedError(
            f"{ids[0]} flags none of the {positives} positive rows, so there is no recall to compare at.",
            required="a judge that finds some, or a stated recall",
            next_step="give one: --recall 0.8",
        )
    resampling = Resampling(groups=scored.groups, seed=seed)
    auroc = tuple(bootstrap(auroc_of, (scored.truth, side), resampling) for side in (scored.after, scored.before))
    return ContrastComparison(
        before=ids[0],
        after=ids[1],
        positives=positives,
        negatives=negatives,
        left_out=left_out,
        shipped=shipped,
        at=at_recall(scored, recall, resampling),
        elsewhere=tuple(at_recall(scored, fixed, resampling) for fixed in RECALLS),
        auroc=(auroc[1], auroc[0]),
        auroc_gain=paired_bootstrap(auroc_of, scored.truth, scored.after, scored.before, resampling),
    )


def at_recall(scored: Scored, recall: float | None, resampling: Resampling) -> AtRecall:
    """Both false-positive rates at one recall, their difference and relative change with paired bootstrap intervals,
    and a sign test. None takes the recall of the judge before at its own threshold, anew in each resample.
    """

    def rates(weights: np.ndarray, truth: np.ndarray, *sides: np.ndarray) -> list[np.ndarray]:
        called = sides[-1]
        wanted = ratio(weights @ (called * truth), weights @ truth) if recall is None else recall
        return [fpr_at_recall_of(weights, truth, side, wanted) for side in sides[:-1]]

    def difference(weights: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        was, now = rates(weights, *arrays)
        return np.asarray(now - was)

    def change(weights: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        was, now = rates(weights, *arrays)
        return ratio(now, was) - 1

    def rate(weights: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        return rates(weights, *arrays)[0]

    both = (scored.truth, scored.before, scored.after, scored.called)
    before, after = (
        bootstrap(rate, (scored.truth, side, scored.called), resampling, units=int((1 - scored.truth).sum()))
        for side in (scored.before, scored.after)
    )
    fixed = _mean(scored.called, scored.truth) if recall is None else recall
    return AtRecall(
        recall=fixed,
        before=before,
        after=after,
        difference=bootstrap(difference, both, resampling),
        change=bootstrap(change, both, resampling) if before.value > 0 else None,
        sign=sign_test(scored, fixed),
    )


def sign_test(scored: Scored, recall: float) -> SignTest:
    """The negative rows on which the judges differ at one recall, group by group."""
    was, now = (alarms_at(scored.truth, side, recall) for side in (scored.before, scored.after))
    group = np.unique(scored.groups, return_inverse=True)[1]
    moved = np.bincount(group, weights=(now - was) * (1 - scored.truth))
    fewer, more = int((moved < -_ROUNDING).sum()), int((moved > _ROUNDING).sum())
    p = float(binomtest(fewer, fewer + more).pvalue) if fewer + more else 1.0
    return SignTest(fewer=fewer, more=more, p=p)


def _positive(before: Criterion, after: Criterion) -> str:
    positive = before.scale.positive
    if positive is None or after.labels != before.labels or after.scale.positive != positive:
        raise InputError(
            "The two judges cannot be compared by false alarms.",
            required="two judges on one binary scale",
            got=f"{shown(list(before.labels))} and {shown(list(after.labels))}",
        )
    return positive


def _has_scores(verdict: Verdict) -> bool:
    return isinstance(verdict, Decided | Abstained)


def _chance(verdict: Verdict, positive: str) -> float:
    assert isinstance(verdict, Decided | Abstained)  # noqa: S101 - only those are passed
    return verdict.probabilities[positive]


def _mean(values: np.ndarray, among: np.ndarray) -> float:
    return float((values * among).sum() / among.sum())
