"""The two trivial baselines every judge is measured against, and how the judge compares with them.

`baselines(train, calibration, outcomes)` learns from the judge's own `train` rows and answers the same test rows:
*majority* gives the commonest label; *bag-of-words* is a logistic regression on TF-IDF of words and word pairs plus the
length of the text. A judge that does not beat them has learned topics or lengths, not the criterion.
"""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve
from sklearn.preprocessing import StandardScaler

from assay.calibration.policies import parse_policy
from assay.calibration.thresholds import choose_threshold
from assay.metrics.accuracy import BINARY_STATISTICS, binary_metrics
from assay.metrics.intervals import Estimate
from assay.metrics.multiclass import macro_f1_statistic, multiclass_metrics
from assay.metrics.resampling import paired_bootstrap
from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow
from assay.schema.errors import RefusedError
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Decided, Verdict
from assay.validation.outcomes import Outcomes, positive_code
from assay.validation.plain_text import plain
from assay.validation.report import Contender, Measures

MAX_TERMS = 50_000
MAX_CHARS = 20_000  # of a text; the rest adds words but no new evidence to a baseline
INVERSE_RIDGE = (
    10.0  # TF-IDF rows have length one; at scikit-learn's default of 1 the baseline would be a weak opponent
)
MIN_CLASSES = 2
WORD = r"(?u)\b\w+\b"  # one letter is a word too, unlike in scikit-learn's default
RANKED = ("auroc", "auprc")


@dataclass(frozen=True, kw_only=True, eq=False)
class Answered:
    """What a contender says of the test rows; `probabilities` is None where it gives labels only."""

    predicted: np.ndarray  # (n,) int
    probabilities: np.ndarray | None  # (n, k)
    threshold: float | None = None


@dataclass(frozen=True, kw_only=True)
class ThresholdChoice:
    """How a binary judge chose its threshold: the policy, and what a positive calibration row weighs beside a negative
    one (the odds of the production rate over those of the calibration rows).
    """

    policy: str = "max-f1"
    positive_weight: float = 1.0

    @classmethod
    def of(cls, version: JudgeVersion) -> Self:
        """As the judge version says."""
        positive = version.criterion.scale.positive
        if positive is None:
            return cls()
        odds = [
            rates[positive] / (1 - rates[positive])
            for rates in (version.calibration.production_base_rate, version.calibration.fitted_base_rate)
        ]
        return cls(policy=version.decision.policy, positive_weight=odds[0] / odds[1])


def baselines(
    train: Sequence[FrozenRow],
    calibration: Sequence[FrozenRow],
    outcomes: Outcomes,
    choice: ThresholdChoice | None = None,
) -> tuple[Contender, ...]:
    """Both baselines on the decided test rows; none without training rows, no bag of words if those hold one class.

    The bag of words takes its threshold as `choice` says the judge took its own, so that like is compared with like.
    """
    if not train:
        return ()
    codes = target_codes(train, outcomes.criterion)
    constant = np.full(len(outcomes.truth), Counter(codes.tolist()).most_common(1)[0][0])
    majority = compared(
        "majority",
        f"always answers “{plain(outcomes.criterion.labels[constant[0]], limit=40)}”, the commonest label in training",
        Answered(predicted=constant, probabilities=None),
        outcomes,
    )
    if len(set(codes.tolist())) < MIN_CLASSES:
        return (majority,)
    answered = bag_of_words(train, calibration, outcomes, choice or ThresholdChoice())
    what = "logistic regression on words, word pairs and length, trained on the same rows"
    return majority, compared("bag-of-words", what, answered, outcomes)


def llm_judge(verdicts: Mapping[str, Verdict], outcomes: Outcomes) -> Contender | None:
    """A prompted LLM's verdicts, by example id, on the rows that both judges decided; None where there are none."""
    found = [verdicts.get(row.example.id) for row in outcomes.rows]
    both = np.array([isinstance(verdict, Decided) for verdict in found], dtype=bool)
    if not both.any():
        return None
    shared = outcomes.where(both)
    decided = [verdict for verdict in found if isinstance(verdict, Decided)]
    labels = outcomes.criterion.labels
    probabilities = np.array([[v.probabilities.get(label, 0.0) for label in labels] for v in decided])
    labels_only = bool(np.isin(probabilities, (0.0, 1.0)).all())  # they rank nothing
    answered = Answered(
        predicted=np.array([labels.index(outcomes.criterion.check_label(v.label)) for v in decided]),
        probabilities=None if labels_only else probabilities,
    )
    return compared("llm-judge", f"a prompted LLM ({plain(decided[0].judge, limit=60)})", answered, shared)


def compared(name: str, what: str, answered: Answered, outcomes: Outcomes) -> Contender:
    """A contender's measures, and the judge's minus the contender's on the same resamples."""
    return Contender(
        name=name,
        what=what,
        n=len(outcomes.truth),
        threshold=answered.threshold,
        measures=_measures(answered, outcomes),
        differences=_differences(answered, outcomes),
    )


def target_codes(rows: Sequence[FrozenRow], criterion: Criterion) -> np.ndarray:  # (n,) int
    """Targets as codes in the order of the scale. Raises InputError for a label that is not on it."""
    return np.array([criterion.labels.index(criterion.check_label(row.target.value)) for row in rows], dtype=int)


def _measures(answered: Answered, outcomes: Outcomes) -> Measures:
    if outcomes.binary:
        positive = outcomes.positive
        predicted = answered.predicted == positive
        scores = predicted.astype(float) if answered.probabilities is None else answered.probabilities[:, positive]
        found = binary_metrics(outcomes.truth == positive, predicted, scores, outcomes.resampling)
        names = ("f1", "precision", "recall", *(RANKED if answered.probabilities is not None else ()))
        return {name: found[name] for name in names}
    labels = outcomes.criterion.labels
    several = multiclass_metrics(outcomes.truth, answered.predicted, labels, resampling=outcomes.resampling)
    return {"accuracy": several.accuracy, "macro_f1": several.macro_f1}


def _differences(answered: Answered, outcomes: Outcomes) -> dict[str, Estimate]:
    if not outcomes.binary:
        statistic = macro_f1_statistic(len(outcomes.criterion.labels))
        pair = (outcomes.predicted, answered.predicted)
        return {"macro_f1": paired_bootstrap(statistic, outcomes.truth, *pair, outcomes.resampling)}
    positive = outcomes.positive
    truth = outcomes.truth == positive
    pairs = {"f1": (outcomes.predicted == positive, answered.predicted == positive)}
    if answered.probabilities is not None:
        pairs |= dict.fromkeys(RANKED, (outcomes.probabilities[:, positive], answered.probabilities[:, positive]))
    if truth.all() or not truth.any():
        return {}
    return {
        name: paired_bootstrap(BINARY_STATISTICS[name], truth, a, b, outcomes.resampling)
        for name, (a, b) in pairs.items()
    }


def bag_of_words(
    train: Sequence[FrozenRow], calibration: Sequence[FrozenRow], outcomes: Outcomes, choice: ThresholdChoice
) -> Answered:
    """What the second baseline says of the decided test rows, row by row. `train` holds two classes or more."""
    criterion = outcomes.criterion
    texts = _texts(train, criterion)
    features = _Features(texts)
    codes = target_codes(train, criterion)
    model = LogisticRegression(C=INVERSE_RIDGE, class_weight="balanced", max_iter=1000)
    model.fit(features(texts), codes)

    def probabilities(rows: Sequence[FrozenRow]) -> np.ndarray:  # (n, k)
        found = np.zeros((len(rows), len(criterion.labels)))
        found[:, model.classes_] = model.predict_proba(features(_texts(rows, criterion)))
        return found

    on_test = probabilities(outcomes.rows)
    if criterion.scale.kind != "binary":
        return Answered(predicted=on_test.argmax(axis=1), probabilities=on_test)
    positive = positive_code(criterion)
    threshold = 0.5
    truth = target_codes(calibration, criterion) == positive
    if truth.any():
        threshold = _threshold(truth, probabilities(calibration)[:, positive], choice)
    called = np.where(on_test[:, positive] >= threshold, positive, 1 - positive)
    return Answered(predicted=called, probabilities=on_test, threshold=threshold)


def _threshold(truth: np.ndarray, scores: np.ndarray, choice: ThresholdChoice) -> float:
    """By the judge's policy at the judge's base rate; where that policy is out of reach, or is to maximise F1, the
    largest F1 found (the judge's own rule for F1 needs calibrated probabilities).
    """
    weights = np.where(truth, choice.positive_weight, 1.0)
    policy = parse_policy(choice.policy)
    if policy.kind not in ("max-f1", "fixed"):
        with contextlib.suppress(RefusedError):
            return choose_threshold(scores, truth, weights, policy).value
    return max_f1_threshold(truth, scores, weights)


def max_f1_threshold(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The threshold with the largest F1 on truth (n,) bool, at least one true, scores (n,) and weights (n,) > 0.

    >>> max_f1_threshold(np.array([False, True, True]), np.array([0.2, 0.4, 0.9]))
    0.4
    """
    precision, recall, thresholds = precision_recall_curve(truth, scores, sample_weight=weights)
    total = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[int(f1.argmax())])


def _texts(rows: Sequence[FrozenRow], criterion: Criterion) -> list[str]:
    return [row.example.text(criterion.reads)[:MAX_CHARS] for row in rows]


class _Features:
    """TF-IDF of words and word pairs beside the scaled logarithm of the length, learned from the training texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._words: TfidfVectorizer | None = TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, max_features=MAX_TERMS, token_pattern=WORD
        )
        try:
            self._words.fit(texts)
        except ValueError:  # not one word in any text: the length is then all there is
            self._words = None
        self._length = StandardScaler().fit(_log_length(texts))

    def __call__(self, texts: Sequence[str]) -> csr_matrix:  # (n, terms + 1)
        length = csr_matrix(self._length.transform(_log_length(texts)))
        return length if self._words is None else hstack([self._words.transform(texts), length]).tocsr()


def _log_length(texts: Sequence[str]) -> np.ndarray:  # (n, 1)
    return np.log1p([[len(text)] for text in texts])
