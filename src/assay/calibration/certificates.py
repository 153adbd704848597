"""Certified thresholds: below which probability, and from which on, a judge may decide by itself.

`certify(sample, CertificateSettings(risk=0.05, confidence=0.95, threshold=0.4))` on rows drawn from production, which
the judge was not made from. Two sides: rows with probability < low are decided negative, rows ≥ high positive; what
lies between is escalated. With probability ≥ `confidence` over the draw, neither side is wrong more often than `risk`.

Each side runs a fixed sequence of nested hypotheses "the share of wrong rows beyond t is above the risk", from a
starting threshold towards the judge's own, and stops at the first that cannot be rejected at its level (half of
1 − confidence each when both sides are asked for). A fixed sequence needs no further correction (Maurer, Hothorn and
Lehmacher 1995; for thresholds, Angelopoulos, Bates, Candès, Jordan and Lei 2021, "Learn then Test"). For that the
sequence must not depend on the rows: thresholds lie on a fixed grid of log-odds, and the start is the risk itself or
`starting_threshold` of other rows (the calibration split).

Equal weights give the exact binomial test: reject when P(Bin(n, risk) ≤ wrong) ≤ α, which is to say that the bound of
Clopper and Pearson (1934) is ≤ risk. Unequal weights have no binomial; see `betting`. Rows that share a group are not
independent: keep one of them (`one_a_group`). Binary judges only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import expit
from scipy.stats import beta, binom

from assay.calibration.betting import betting_p_value, betting_upper_bound

Side: TypeAlias = Literal["negative", "positive"]
GRID = expit(np.arange(-9.0, 9.01, 0.25))  # 73 thresholds; never chosen by the rows that are certified
_POWER = 0.8  # chance with which the labels said to be needed suffice, at the share of wrong rows seen
_SIZES = np.unique(np.geomspace(1, 1e7, 400).round())  # of samples that would do, before the exact size is looked for
_SAME = 1e-9  # relative difference under which weights are one weight


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Labelled rows drawn from production. Weights are inverse inclusion probabilities, up to one factor.

    The weighted bound needs the largest weight that any production row can have: `max_weight`, by default the largest
    one here. `unlabelled` rows count as wrong wherever they fall, which keeps every bound valid.
    """

    probabilities: np.ndarray  # (n,) of the positive label, as the judge serves it
    positives: np.ndarray  # (n,) bool
    weights: np.ndarray  # (n,) > 0
    unlabelled: np.ndarray | None = None  # (n,) bool
    max_weight: float | None = None

    def wrong(self, side: Side) -> np.ndarray:  # (n,) bool
        """Which rows a side would get wrong."""
        wrong = self.positives if side == "negative" else ~self.positives
        return wrong if self.unlabelled is None else wrong | self.unlabelled

    @property
    def equal_weights(self) -> bool:
        """True where every row had the same chance to be drawn."""
        return bool(np.ptp(self.weights) <= _SAME * self.weights.max()) if len(self.weights) else True


@dataclass(frozen=True, kw_only=True)
class CertificateSettings:
    """What to show. `threshold` is the judge's own; no side goes past it.

    `starts` are the thresholds at which the sequences begin, None takes the risk and one minus the risk.
    """

    risk: float
    confidence: float
    threshold: float
    sides: tuple[Side, ...] = ("negative", "positive")
    starts: dict[Side, float | None] | None = None

    @property
    def alpha(self) -> float:
        """The level of each side's tests."""
        return (1 - self.confidence) / len(self.sides)


@dataclass(frozen=True, kw_only=True)
class SideResult:
    """How one side ended. `threshold` is None where nothing could be certified; `rows`, `wrong` and `bound` are then
    those of the first hypothesis.
    """

    side: Side
    threshold: float | None
    rows: int
    wrong: int
    bound: float


def certify(sample: Sample, settings: CertificateSettings) -> dict[Side, SideResult]:
    """The certified threshold of each side asked for.

    Raises ValueError for no rows, lengths that differ, or a risk or confidence outside (0, 1).

    >>> rows = 200
    >>> sample = Sample(probabilities=np.full(rows, 0.01), positives=np.zeros(rows, bool), weights=np.ones(rows))
    >>> settings = CertificateSettings(risk=0.05, confidence=0.95, threshold=0.5, sides=("negative",))
    >>> side = certify(sample, settings)["negative"]
    >>> side.threshold, side.wrong, round(side.bound, 4)
    (0.5, 0, 0.0149)
    """
    _check(sample, settings)
    return {side: _certified_side(sample, settings, side) for side in settings.sides}


def hypotheses(side: Side, start: float, threshold: float) -> np.ndarray:  # (m,)
    """The thresholds of one side in the order of testing: the start, the grid towards the judge's threshold, and that.

    >>> hypotheses("negative", 0.05, 0.1).round(3).tolist()
    [0.05, 0.06, 0.076, 0.095, 0.1]
    """
    start = min(start, threshold) if side == "negative" else max(start, threshold)
    low, high = sorted((start, threshold))
    between = GRID[(low < GRID) & (high > GRID)]
    path = np.unique(np.concatenate([[low], between, [high]]))
    return path if side == "negative" else path[::-1]


def starting_threshold(
    side: Side,
    probabilities: np.ndarray,  # (m,) of rows that are not certified on, such as the calibration split
    positives: np.ndarray,  # (m,) bool
    rows: int,  # how many will be certified on
    settings: CertificateSettings,
) -> float | None:
    """Where the sequence of a side has the best chance to begin: the grid's threshold that a sample of `rows` like
    these would reject most surely. None without rows.
    """
    if not len(probabilities):
        return None
    grid = GRID[settings.threshold >= GRID] if side == "negative" else GRID[settings.threshold <= GRID]
    inside, wrong = _counted(side, grid, probabilities, positives if side == "negative" else ~positives)
    expected = np.floor(inside / len(probabilities) * rows)
    share = (wrong + 0.5) / (inside + 1)  # none wrong of few is no proof of none
    p = binom.cdf(np.ceil(share * expected), np.maximum(expected, 1), settings.risk)
    p = np.where(expected > 0, p, 1.0)
    return float(grid[int(np.argmin(p))]) if len(grid) and p.min() < 1 else None


def clopper_pearson_upper(wrong: np.ndarray, rows: np.ndarray, alpha: float) -> np.ndarray:
    """The one-sided upper bound of a share at confidence 1 − alpha: the beta quantile (Clopper and Pearson 1934).

    >>> clopper_pearson_upper(np.array([0, 5, 3]), np.array([100, 100, 3]), 0.05).round(4).tolist()
    [0.0295, 0.1023, 1.0]
    """
    bound = beta.ppf(1 - alpha, wrong + 1, np.maximum(rows - wrong, 1))
    return np.where(wrong >= rows, 1.0, bound)


def rows_needed(sample: Sample, settings: CertificateSettings, side: Side) -> int | None:
    """Production rows in all with which some threshold of a side would pass its test with a chance of 80 %, if the
    judge went on as it did on these rows; None where it is wrong too often at every threshold.

    Counted by the binomial, also for unequal weights, which need more. It is optimistic where few rows lie beyond a
    threshold: none wrong of three is taken as none wrong at all.

    >>> half = np.repeat([0.01, 0.4], 20)
    >>> sample = Sample(probabilities=half, positives=half > 0.1, weights=np.ones(40))
    >>> settings = CertificateSettings(risk=0.05, confidence=0.95, threshold=0.5, sides=("negative",))
    >>> rows_needed(sample, settings, "negative")  # 59 clean rows, and half of production lies there
    118
    """
    grid = np.append(GRID, settings.threshold)
    grid = grid[grid <= settings.threshold] if side == "negative" else grid[grid >= settings.threshold]
    inside, wrong = _counted(side, grid, sample.probabilities, sample.wrong(side))
    share = wrong / np.maximum(inside, 1)
    hopeful = (inside > 0) & (share < settings.risk)
    if not hopeful.any():
        return None
    inside, share = inside[hopeful], share[hopeful]
    passes = _passes(_SIZES[None, :], share[:, None], settings)
    first = np.where(passes.any(axis=1), _SIZES[np.argmax(passes, axis=1)], np.inf)
    needed = first * len(sample.weights) / inside
    best = int(np.argmin(needed))
    if not np.isfinite(needed[best]):
        return None
    below = _SIZES[first[best] > _SIZES]
    sizes = np.arange(int(below[-1]) + 1 if len(below) else 1, int(first[best]) + 1)
    exact = sizes[np.argmax(_passes(sizes, share[best], settings))]
    return int(np.ceil(exact * len(sample.weights) / inside[best]))


def one_a_group(ids: list[str], groups: list[str], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (g,), (g,)
    """Places of one row of each group and its weight, that of the whole group.

    Rows of one session err together; one of them, picked by `ids` (which say nothing of the answer), stands for all.

    >>> places, weights = one_a_group(["b", "a", "c"], ["g", "g", "h"], np.ones(3))
    >>> places.tolist(), weights.tolist()
    ([1, 2], [2.0, 1.0])
    """
    first: dict[str, int] = {}
    total: dict[str, float] = {}
    for place in sorted(range(len(ids)), key=lambda place: ids[place]):
        first.setdefault(groups[place], place)
        total[groups[place]] = total.get(groups[place], 0.0) + float(weights[place])
    kept = sorted(first.items(), key=lambda item: item[1])
    return np.array([place for _, place in kept], dtype=int), np.array([total[group] for group, _ in kept])


def _certified_side(sample: Sample, settings: CertificateSettings, side: Side) -> SideResult:
    start = (settings.starts or {}).get(side)
    if start is None:
        start = settings.risk if side == "negative" else 1 - settings.risk
    path = hypotheses(side, start, settings.threshold)
    inside, wrong = _counted(side, path, sample.probabilities, sample.wrong(side))
    rejected = 0
    for p in _p_values(sample, side, path, settings.risk):
        if p > settings.alpha:
            break
        rejected += 1
    at = max(rejected - 1, 0)
    return SideResult(
        side=side,
        threshold=float(path[at]) if rejected else None,
        rows=int(inside[at]),
        wrong=int(wrong[at]),
        bound=_upper_bound(sample, side, path[at], settings.alpha),
    )


def _p_values(sample: Sample, side: Side, path: np.ndarray, risk: float) -> Iterator[float]:
    wrong = sample.wrong(side)
    if sample.equal_weights:
        rows, bad = _counted(side, path, sample.probabilities, wrong)
        yield from np.where(rows > 0, binom.cdf(bad, np.maximum(rows, 1), risk), 1.0).tolist()
        return
    for threshold in path:
        inside = _inside(side, threshold, sample.probabilities)
        yield betting_p_value(wrong[inside], sample.weights[inside], _max_weight(sample), risk)


def _upper_bound(sample: Sample, side: Side, threshold: float, alpha: float) -> float:
    inside = _inside(side, threshold, sample.probabilities)
    wrong = sample.wrong(side)[inside]
    if sample.equal_weights:
        return float(clopper_pearson_upper(np.array(wrong.sum()), np.array(len(wrong)), alpha)) if len(wrong) else 1.0
    return betting_upper_bound(wrong, sample.weights[inside], _max_weight(sample), alpha)


def _max_weight(sample: Sample) -> float:
    return float(sample.weights.max()) if sample.max_weight is None else sample.max_weight


def _inside(side: Side, threshold: float | np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return probabilities < threshold if side == "negative" else probabilities >= threshold


def _counted(
    side: Side, thresholds: np.ndarray, probabilities: np.ndarray, wrong: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # (m,), (m,)
    """Rows beyond each threshold, and how many of them the side gets wrong."""
    inside = _inside(side, thresholds[:, None], probabilities[None, :])
    return inside.sum(axis=1), (inside & wrong[None, :]).sum(axis=1)


def _passes(rows: np.ndarray, share: np.ndarray | float, settings: CertificateSettings) -> np.ndarray:
    """Whether the binomial test of so many rows passes with a chance of `_POWER` when `share` of them are wrong."""
    at_level = np.asarray(binom.ppf(settings.alpha, rows, settings.risk), dtype=float)
    allowed = at_level - (binom.cdf(at_level, rows, settings.risk) > settings.alpha)
    return np.asarray((allowed >= 0) & (binom.cdf(allowed, rows, share) >= _POWER))


def _check(sample: Sample, settings: CertificateSettings) -> None:
    n = len(sample.probabilities)
    if not n or not n == len(sample.positives) == len(sample.weights):
        raise ValueError(f"A certificate needs one or more rows of equal number, not {n}.")
    if not (sample.weights > 0).all():
        raise ValueError("Weights are inverse inclusion probabilities, all above zero.")
    if sample.max_weight is not None and sample.max_weight < sample.weights.max():
        raise ValueError(f"The largest weight here is {sample.weights.max():g}, above {sample.max_weight:g}.")
    if not 0 < settings.risk < 1 or not 0 < settings.confidence < 1:
        raise ValueError("Risk and confidence lie between 0 and 1, exclusive.")
