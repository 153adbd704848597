"""Acceptance: whether experts agree with the labels that a kind's texts were made for.

`Agreed.of(sample, targets, closed)` counts, `share_agreed(found, look)` gives the share with the interval whose lower
bound decides, `answers_needed(…)` says what would pass. A kind may be looked at again with a larger sample: the k-th
look spends 0.05/2^k of the risk, so that over all looks a kind whose true share is below the floor is kept with a
probability of at most 0.05.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.stats import beta

from assay.datasets.agreement import defined
from assay.metrics.agreement import gwet_ac1
from assay.metrics.intervals import Estimate, clopper_pearson
from assay.schema.criterion import Criterion
from assay.schema.label import Target
from assay.store.augmentations import Derivative

DEFAULT_FLOOR = 0.80
RISK = 0.05
MOST_ANSWERS = 5_000  # beyond so many, nobody asks


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """How a sample was answered. What experts left tied, or did not answer before its queue was closed, counts as
    disagreeing; what is `pending` may still be answered. `pairs` holds (made for, answered), where there is an answer.
    """

    sampled: int
    agreed: int
    tied: int
    unanswered: int
    pending: int
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, sample: Sequence[Derivative], targets: Mapping[str, Target | None], closed: Collection[int]) -> Self:
        """From the experts' targets by example id (None: tied, absent: no answer) and the numbers of closed draws."""
        missing = [one for one in sample if one.id not in targets]
        answered = [(one.label, targets[one.id]) for one in sample if one.id in targets]
        pairs = tuple((label, target.value) for label, target in answered if target is not None)
        unanswered = sum(one.draw in closed for one in missing)
        return cls(
            sampled=len(sample),
            agreed=sum(wanted == given for wanted, given in pairs),
            tied=len(answered) - len(pairs),
            unanswered=unanswered,
            pending=len(missing) - unanswered,
            pairs=pairs,
        )


def confidence_of(look: int) -> float:
    """The two-sided confidence of the interval whose lower bound decides at the k-th look: 1 − 2·0.05/2^k.

    >>> confidence_of(1), confidence_of(2)
    (0.95, 0.975)
    """
    return float(1 - 2 * RISK / 2**look)


def share_agreed(found: Agreed, look: int) -> Estimate:
    """The share of the sample that agrees, with the exact binomial interval (Clopper and Pearson 1934).

    The sample is drawn without putting back, so the interval is, if anything, too wide. Raises ValueError (no sample).

    >>> answered = Agreed(sampled=50, agreed=46, tied=0, unanswered=0, pending=0, pairs=())
    >>> round(share_agreed(answered, 1).low, 4)
    0.8077
    """
    return clopper_pearson(found.agreed, found.sampled, confidence_of(look))


def chance_corrected(found: Agreed, criterion: Criterion) -> Estimate | None:
    """Gwet's AC1 between the labels made for and the experts', over the answered ones; None where it is undefined, and
    on an ordinal scale, whose distances it does not see.

    Cohen's κ is not taken: where all of a kind is made for one label it is 0 however well they agree.
    """
    if criterion.scale.kind == "ordinal" or not found.pairs:
        return None
    ratings = [{"made for": wanted, "expert": given} for wanted, given in found.pairs]
    return defined(lambda: gwet_ac1(ratings, criterion.labels))


def answers_needed(found: Agreed, floor: float, look: int) -> tuple[int | None, int | None]:
    """How many more answers could pass at the next look: if all of them agree, and if they agree as often as until now.

    None where no number up to 5,000 would.

    >>> answers_needed(Agreed(sampled=50, agreed=45, tied=0, unanswered=0, pending=0, pairs=()), 0.8, 1)
    (10, 38)
    """
    more = np.arange(1, MOST_ANSWERS + 1)
    as_often = np.floor(found.agreed * (found.sampled + more) / found.sampled)
    n, confidence = found.sampled + more, confidence_of(look + 1)
    return _first(found.agreed + more, n, confidence, floor), _first(as_often, n, confidence, floor)


def _first(agreed: np.ndarray, n: np.ndarray, confidence: float, floor: float) -> int | None:  # (m,), (m,)
    """The first place, counted from 1, whose lower bound reaches the floor; the bound is the beta quantile."""
    low = np.where(agreed > 0, beta.ppf((1 - confidence) / 2, np.maximum(agreed, 1), n - agreed + 1), 0.0)
    passing = np.flatnonzero(low >= floor)
    return int(passing[0]) + 1 if len(passing) else None
