"""Label noise: which labels a model that never saw them finds hard to believe.

Cross-validated probabilities (words, and embeddings where a callable is given) → the confident joint of given and
likely labels (Northcutt, Jiang and Chuang 2021) → an estimate of how many labels are wrong, and every row's suspicion.
Says nothing where the label cannot be predicted at all. The estimate counts hard rows too: an upper guess.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from assay.datasets.audit.folds import FOLDS, fold_of, some_of
from assay.datasets.audit.table import AuditTable
from assay.metrics.clustered_auroc import clustered_auroc
from assay.metrics.intervals import Estimate, wilson

Embed: TypeAlias = Callable[[Sequence[str]], np.ndarray]  # texts -> (n, d)
MAX_TERMS = 30_000
EXACT_ROWS = 20_000  # up to here words come from all rows and the model is exact, beyond it is by stochastic gradients
MIN_CLASS_ROWS = 10
MIN_AUROC = 0.60  # the lower bound of what a model must reach before its doubts mean anything
INVERSE_RIDGE_WORDS = 10.0
INVERSE_RIDGE_EMBEDDINGS = 0.01
TRUSTED = 0.85  # of the rows at least, in the second round
WORD = r"(?u)\b\w+\b"


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelNoise:
    """`suspicion` (n,): how much likelier another label is than the given one, −1 to 1; `likely` (n,) its code. `rate`
    is the share of labels estimated wrong, None where the model predicts too poorly to say; `by_label` the same
    for each given label.
    """

    suspicion: np.ndarray
    likely: np.ndarray
    predictable: Estimate | None  # cross-validated AUROC (of several labels the mean of each against the rest)
    rate: Estimate | None
    by_label: dict[str, float]
    embedded: bool


def label_noise(table: AuditTable, embed: Embed | None = None, seed: int = 0) -> LabelNoise | None:
    """Measure it; None where fewer than two labels have enough rows."""
    codes = table.codes
    counts = np.bincount(codes, minlength=len(table.criterion.labels))
    classes = np.flatnonzero(counts >= MIN_CLASS_ROWS)
    if len(classes) < 2:  # noqa: PLR2004 - nothing to confuse
        return None
    first, last = held_out_rounds(table.texts, codes, table.group, len(counts), embed, seed)
    thresholds = np.array([first[codes == c, c].mean() if counts[c] else np.inf for c in range(len(counts))])
    suspicion, likely = suspicions(last, codes)
    predictable = _predictable(first, codes, classes, table.group)
    rate, by_label = None, {}
    if predictable.low >= MIN_AUROC:
        wrong = _confident_wrong(first, codes, thresholds)
        rate = wilson(int(wrong.sum()), len(codes))
        by_label = {
            label: float(wrong[codes == code].mean())
            for code, label in enumerate(table.criterion.labels)
            if counts[code]
        }
    return LabelNoise(
        suspicion=suspicion,
        likely=likely,
        predictable=predictable,
        rate=rate,
        by_label=by_label,
        embedded=embed is not None,
    )


def suspicions(probabilities: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (n, k), (n,)
    """Each row's suspicion, max over other labels p − p of the given one, and which label that is.

    >>> suspicions(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1, 1]))[0].round(1).tolist()
    [0.8, -0.6]
    """
    rows = np.arange(len(codes))
    others = probabilities.copy()
    others[rows, codes] = -np.inf
    likely = others.argmax(axis=1)
    return probabilities[rows, likely] - probabilities[rows, codes], likely


def held_out_rounds(
    texts: Sequence[str], codes: np.ndarray, group: np.ndarray, k: int, embed: Embed | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:  # (n, k), (n, k)
    """Probabilities for each row from models that saw neither it nor its group; words and embeddings are averaged.

    In the second round the most doubtful rows of the first are left out of training (not of the judgement): wrong
    labels would otherwise vouch for one another. It ranks suspects better, but each label has had a part in choosing
    the rows that its judges learn from; only the first round can say how well labels are predicted.
    """
    folds = fold_of(group, seed)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=MAX_TERMS, token_pattern=WORD)
    views = []
    with contextlib.suppress(ValueError):  # not one word in any text
        views.append((_counted(words, texts, seed), _word_model(len(codes), seed)))
    if embed is not None:
        views.append((embed(texts), _embedding_model()))
    if not views:
        shares = np.tile(np.bincount(codes, minlength=k) / len(codes), (len(codes), 1))
        return shares, shares
    trusted = np.ones(len(codes), dtype=bool)
    first = np.mean([_held_out(view, model, codes, folds, trusted, k) for view, model in views], axis=0)
    suspicion, _ = suspicions(first, codes)
    trusted = suspicion < max(0.0, float(np.quantile(suspicion, TRUSTED)))
    last = np.mean([_held_out(view, model, codes, folds, trusted, k) for view, model in views], axis=0)
    return np.asarray(first), np.asarray(last)


def _counted(words: TfidfVectorizer, texts: Sequence[str], seed: int) -> Any:  # (n, terms) sparse
    if len(texts) <= EXACT_ROWS:
        return words.fit_transform(texts)
    words.fit(some_of(texts, EXACT_ROWS, seed))  # the word pairs of all texts would be larger than the texts
    return words.transform(texts)


def _held_out(
    view: Any, model: Any, codes: np.ndarray, folds: np.ndarray, trusted: np.ndarray, k: int
) -> np.ndarray:  # (n, k)
    found = np.zeros((len(codes), k))
    for fold in range(FOLDS):
        held, taught = folds == fold, (folds != fold) & trusted
        if not held.any():
            continue
        if len(np.unique(codes[taught])) < 2:  # noqa: PLR2004 - one class cannot be fitted
            found[held] = np.bincount(codes[taught], minlength=k) / max(taught.sum(), 1)
            continue
        model.fit(view[np.flatnonzero(taught)], codes[taught])
        found[np.ix_(held, model.classes_)] = model.predict_proba(view[np.flatnonzero(held)])
    return found


def _word_model(rows: int, seed: int) -> Any:
    if rows <= EXACT_ROWS:
        return LogisticRegression(C=INVERSE_RIDGE_WORDS, class_weight="balanced", max_iter=500)
    return SGDClassifier(
        loss="log_loss", alpha=1e-6, class_weight="balanced", average=True, max_iter=8, tol=None, random_state=seed
    )


def _embedding_model() -> Any:
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=INVERSE_RIDGE_EMBEDDINGS, class_weight="balanced", max_iter=500)
    )


def _confident_wrong(probabilities: np.ndarray, codes: np.ndarray, thresholds: np.ndarray) -> np.ndarray:  # (n,) bool
    """Rows that the confident joint counts off its diagonal: another label's probability reaches the mean that this
    label has among its own rows, and is the highest of those that do.
    """
    sure = probabilities >= thresholds
    counted = np.where(sure, probabilities, -np.inf)
    best = counted.argmax(axis=1)
    return np.asarray(sure.any(axis=1) & (best != codes))


def _predictable(probabilities: np.ndarray, codes: np.ndarray, classes: np.ndarray, group: np.ndarray) -> Estimate:
    if probabilities.shape[1] == 2:  # noqa: PLR2004 - binary
        return clustered_auroc(codes == 1, probabilities[:, 1], group).auroc
    each = [clustered_auroc(codes == c, probabilities[:, c], group).auroc for c in classes]
    mean = [float(np.mean([getattr(one, part) for one in each])) for part in ("value", "low", "high")]
    return Estimate(value=mean[0], low=mean[1], high=mean[2], n=len(codes), method="mean of each label's AUROC")
