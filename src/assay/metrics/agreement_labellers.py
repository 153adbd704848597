"""Each labeller against the others who answered the same items (leave-one-out), and whether that changed over time.

`labeller_quality(answers)` compares a labeller with how well the *others* agree among themselves on the very same
items, so that whoever got the hard items is not called careless. Many labellers are tested at once:
p-values are Holm's.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.stats import t as student

from assay.metrics.answers import Answers
from assay.metrics.confusion import ratio

MIN_ANSWERS = 20  # of a labeller, with others' answers to the same items; fewer say nothing
SUSPECT_P = 0.05
_HALF = 2


@dataclass(frozen=True, kw_only=True)
class LabellerQuality:
    """One labeller. Shares lie in [0, 1]; `n` counts the answers that could be compared.

    `agreement` is the chance that another labeller of the same item gives the same label; `against_peers` that minus
    what the others reach among themselves on the same items (0: as good as they), with interval; `p` is two-sided,
    Holm's over all labellers. `leaning` is label → its share of these answers minus its share among the others'.
    """

    labeller: str
    n: int
    agreement: float
    against_peers: float
    low: float
    high: float
    p: float
    leaning: dict[str, float]

    @property
    def suspect(self) -> bool:
        """Clearly below the others."""
        return self.against_peers < 0 and self.p < SUSPECT_P


@dataclass(frozen=True, kw_only=True)
class LabellerDrift:
    """The later half of a labeller's answers against the earlier half, in `against_peers`; `p` is Holm's."""

    labeller: str
    n: int
    earlier: float
    later: float
    change: float
    low: float
    high: float
    p: float

    @property
    def suspect(self) -> bool:
        """Clearly changed."""
        return self.p < SUSPECT_P


def labeller_quality(answers: Answers, min_answers: int = MIN_ANSWERS) -> list[LabellerQuality]:
    """Every labeller with enough answers, the worst first.

    An answer is compared where two or more others answered the same item: its score is the share of those others who
    gave the same label, minus the share of agreeing pairs among them.
    """
    scores = _Scores.of(answers)
    rows = []
    for name, where in scores.by_labeller(answers, scores.comparable).items():
        if len(where) < min_answers:
            continue
        gap = scores.same[where] - scores.peers[where]
        rows.append(
            (name, len(where), float(scores.same[where].mean()), *_mean_interval(gap), scores.leaning(answers, where))
        )
    adjusted = holm([row[6] for row in rows])
    found = [
        LabellerQuality(
            labeller=name, n=n, agreement=agreement, against_peers=mean, low=low, high=high, p=p, leaning=leaning
        )
        for (name, n, agreement, mean, low, high, _, leaning), p in zip(rows, adjusted, strict=True)
    ]
    return sorted(found, key=lambda one: (one.against_peers, one.labeller))


def labeller_drift(
    answers: Answers,
    order: np.ndarray,  # (m,) sortable: when each answer was given; "" where unknown
    min_answers: int = MIN_ANSWERS,
) -> list[LabellerDrift]:
    """Every labeller with enough dated answers in each half of their time (Welch's t), the most changed first."""
    scores = _Scores.of(answers)
    when = np.asarray(order, dtype=str)
    rows = []
    for name, where in scores.by_labeller(answers, scores.comparable & (when != "")).items():
        if len(where) < _HALF * min_answers:
            continue
        gap = (scores.same - scores.peers)[where[np.argsort(when[where], kind="stable")]]
        earlier, later = gap[: len(gap) // _HALF], gap[len(gap) // _HALF :]
        rows.append((name, len(gap), float(earlier.mean()), float(later.mean()), *_welch(earlier, later)))
    adjusted = holm([row[-1] for row in rows])
    found = [
        LabellerDrift(labeller=name, n=n, earlier=before, later=after, change=after - before, low=low, high=high, p=p)
        for (name, n, before, after, low, high, _), p in zip(rows, adjusted, strict=True)
    ]
    return sorted(found, key=lambda one: (one.p, one.labeller))


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down adjustment: the chance of one false alarm among all stays under the level (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    m = len(p_values)
    if not m:
        return []
    stepped = np.maximum.accumulate([(m - rank) * p_values[place] for rank, place in enumerate(order)])
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(p) for p in adjusted]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scores:
    """Each of m answers against the others to its item."""

    others: np.ndarray  # (m, k): the others' labels
    same: np.ndarray  # (m,): the share of them who gave the same label
    peers: np.ndarray  # (m,): the share of agreeing pairs among them
    comparable: np.ndarray  # (m,) bool: there are two of them

    @classmethod
    def of(cls, answers: Answers) -> Self:
        others = answers.counts()[answers.item].astype(float)
        own = np.arange(len(answers.item)), answers.label
        others[own] -= 1
        total = others.sum(axis=1)
        return cls(
            others=others,
            same=ratio(others[own], total),
            peers=ratio((others * (others - 1)).sum(axis=1), total * (total - 1)),
            comparable=total >= _HALF,
        )

    @staticmethod
    def by_labeller(answers: Answers, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """The places of each labeller's answers among the chosen ones."""
        places = np.flatnonzero(chosen)
        places = places[np.argsort(answers.labeller[places], kind="stable")]
        starts = np.searchsorted(answers.labeller[places], np.arange(len(answers.labellers) + 1))
        return {name: places[starts[code] : starts[code + 1]] for code, name in enumerate(answers.labellers)}

    def leaning(self, answers: Answers, where: np.ndarray) -> dict[str, float]:
        """Label → its share among these answers minus its share among the others' to the same items."""
        mine = np.bincount(answers.label[where], minlength=len(answers.labels)) / len(where)
        theirs = (self.others[where] / self.others[where].sum(axis=1, keepdims=True)).mean(axis=0)
        return dict(zip(answers.labels, (mine - theirs).tolist(), strict=True))


def _mean_interval(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, its t interval and two-sided p against 0."""
    n, mean = len(values), float(values.mean())
    error = float(values.std(ddof=1) / np.sqrt(n))
    if error == 0:
        return mean, mean, mean, 1.0 if mean == 0 else 0.0
    reach = float(student.ppf(0.975, n - 1)) * error
    return mean, mean - reach, mean + reach, float(2 * student.sf(abs(mean) / error, n - 1))


def _welch(earlier: np.ndarray, later: np.ndarray) -> tuple[float, float, float]:
    """Interval of the difference of means and two-sided p (Welch 1947)."""
    parts = [half.var(ddof=1) / len(half) for half in (earlier, later)]
    change, error = float(later.mean() - earlier.mean()), float(np.sqrt(sum(parts)))
    if error == 0:
        return change, change, 1.0 if change == 0 else 0.0
    degrees = sum(parts) ** 2 / sum(
        part**2 / (len(half) - 1) for part, half in zip(parts, (earlier, later), strict=True)
    )
    reach = float(student.ppf(0.975, degrees)) * error
    return change - reach, change + reach, float(2 * student.sf(abs(change) / error, degrees))
