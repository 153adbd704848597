"""What more labels can be expected to bring, said before anybody labels.

`expected_gain(rows, budget)` reads it off the labels that are there: how much a word-counting model gained
when its training rows doubled. It is a proxy: a better model usually gains less from the same rows, and rows that are
not drawn uniformly may bring more or less. Where the labels are too few to tell, the answer is that it is not known.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline

from assay.metrics.intervals import Estimate, wilson_bounds

MIN_ROWS = 120  # under which halves of the training rows say nothing
MIN_OF_CLASS = 12
MAX_ROWS = 4_000  # of a large labelled set a part is enough, and quick
SPLITS = 15
HELD_OUT = 0.25


@dataclass(frozen=True, kw_only=True)
class ExpectedGain:
    """What is expected of a budget. `f1` None: not known, and `why` says why; else the gain in macro-F1 of a words
    model and its interval. `share_within` is half the width of the 95 % interval that the labels give to a share of 0.5
    in the pool, or None where the queue is no sample.
    """

    budget: int
    labelled: int
    f1: Estimate | None
    why: str
    share_within: float | None

    def sentence(self) -> str:
        """For people, with how it is estimated."""
        share = (
            f"; a share in the pool will be known to ± {self.share_within:.3f} or better (95 %)"
            if self.share_within is not None
            else ""
        )
        if self.f1 is None:
            return f"gain in F1 not known: {self.why}{share}"
        return f"gain in macro-F1 {self.f1.value:+.3f} ({self.f1.low:+.3f} to {self.f1.high:+.3f}), {self.why}{share}"


@dataclass(frozen=True, kw_only=True)
class LabelledTexts:
    """Labelled texts, aligned; rows of one group (a conversation, a document) stay together in every split."""

    texts: Sequence[str]
    targets: Sequence[str]
    groups: Sequence[str]


def expected_gain(rows: LabelledTexts, budget: int, *, uniform_share: float, seed: int = 0) -> ExpectedGain:
    """The expected gain of `budget` more labels over the labelled rows. The width of a share is known beforehand for
    the uniform part only.
    """
    within = _share_within(max(1, round(budget * uniform_share)))
    n, counts = len(rows.texts), Counter(rows.targets)
    scarcest = min(counts.values(), default=0)
    per_doubling = None
    if n >= MIN_ROWS and len(counts) >= 2 and scarcest >= MIN_OF_CLASS:  # noqa: PLR2004 - two classes
        per_doubling = gain_per_doubling(rows, seed=seed)
    if per_doubling is None:
        why = f"{n} rows have a target, {scarcest} of the scarcest label; {MIN_ROWS} and {MIN_OF_CLASS} would do"
        return ExpectedGain(budget=budget, labelled=n, f1=None, why=why, share_within=within)
    doublings = min(1.0, float(np.log2(1 + budget / n)))
    capped = " (of the first doubling only)" if budget > n else ""
    why = (
        f"the gain of a word-counting model per doubling of the {n:,} labels that are here, carried on to "
        f"{budget:,} more{capped}; of your judge, and of a drawing that is not uniform, it is not known"
    )
    scaled = replace(
        per_doubling,
        value=per_doubling.value * doublings,
        low=per_doubling.low * doublings,
        high=per_doubling.high * doublings,
    )
    return ExpectedGain(budget=budget, labelled=n, f1=scaled, why=why, share_within=within)


def gain_per_doubling(rows: LabelledTexts, *, seed: int = 0) -> Estimate | None:
    """Mean over random splits of macro-F1(all training rows) − macro-F1(half of them), of logistic regression on words
    and word pairs; the interval is the corrected resampled t: s²·(1/K + n_test/n_train) (Nadeau and Bengio 2003).

    None where a split leaves a class out: its groups are too few to tell.
    """
    chosen = np.random.default_rng(seed).permutation(len(rows.texts))[:MAX_ROWS]
    words, values, groups = (
        np.array([column[row] for row in chosen], dtype=object) for column in (rows.texts, rows.targets, rows.groups)
    )
    gains = []
    for train, test in GroupShuffleSplit(SPLITS, test_size=HELD_OUT, random_state=seed).split(words, groups=groups):
        (half, _), *_ = GroupShuffleSplit(1, test_size=0.5, random_state=seed).split(train, groups=groups[train])
        if len(set(values[train[half]])) < len(set(values)):
            return None
        scores = [_f1(words, values, part, test) for part in (train, train[half])]
        gains.append(scores[0] - scores[1])
    mean, variance = float(np.mean(gains)), float(np.var(gains, ddof=1))
    reach = float(student.ppf(0.975, SPLITS - 1) * np.sqrt(variance * (1 / SPLITS + HELD_OUT / (1 - HELD_OUT))))
    return Estimate(value=mean, low=mean - reach, high=mean + reach, n=len(chosen), method="corrected resampled t")


def _f1(words: np.ndarray, values: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=50_000),
        LogisticRegression(class_weight="balanced", max_iter=300),
    )
    model.fit(words[train], values[train].astype(str))
    return float(f1_score(values[test].astype(str), model.predict(words[test]), average="macro"))


def _share_within(n: int) -> float:
    low, high = wilson_bounds(0.5, n)
    return float(high - low) / 2
