"""Shortcuts: features that have nothing to do with the criterion and tell the label by themselves.

Each feature alone is measured by its AUROC against the label (clustered interval, p-values Holm's over all features and
labels), a categorical one by the label's share among other rows with its value (cross-fitted, so that many values
cannot fake it). A gradient-boosted model of all features together says what they could do jointly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from assay.datasets.audit.features import Feature
from assay.datasets.audit.finding import Kind
from assay.datasets.audit.folds import FOLDS, fold_of
from assay.datasets.audit.table import AuditTable
from assay.metrics.agreement_labellers import holm
from assay.metrics.clustered_auroc import AurocTest, clustered_auroc
from assay.metrics.intervals import Estimate

MIN_SIDE = 20  # rows a label needs, and needs not, to be measured
MAX_LABELS = 6  # of a scale with many, the commonest
ALARM_P = 0.01
ALARM_AUROC = 0.60  # the lower bound of a shortcut worth a finding
SHRINK = 10.0  # rows of the average that every value of a categorical feature starts with
MODEL_ROUNDS = 60
MODEL_ROWS = 200_000


@dataclass(frozen=True, kw_only=True)
class Alone:
    """A feature against a label. `auroc` is at least 0.5 in value: `direction` says which way it points."""

    feature: str
    kind: Kind
    label: str
    auroc: Estimate
    direction: str  # such as "higher" or "in meta.tag = web"
    p: float
    categorical: bool

    @property
    def alarming(self) -> bool:
        """Whether it is a shortcut: surely there, and large enough to be learned."""
        return self.p < ALARM_P and self.auroc.low >= ALARM_AUROC

    @property
    def harm(self) -> float:
        """2·AUROC − 1: 0 when it tells nothing, 1 when it tells all."""
        return 2 * self.auroc.value - 1


def features_alone(table: AuditTable, features: Sequence[Feature], seed: int = 0) -> list[Alone]:
    """Every feature against every label that can be measured, the most telling first.

    A categorical feature that points the wrong way in other folds (AUROC under 0.5) tells nothing: it is noise.
    """
    folds = fold_of(table.group, seed)
    raw = [
        (feature, label, side, _tested(feature, side, folds, table.group))
        for label, side in table.targets(MIN_SIDE, MAX_LABELS)
        for feature in features
    ]
    adjusted = holm([test.p for *_, test in raw])
    found = [
        Alone(
            feature=feature.name,
            kind=feature.kind,
            label=label,
            auroc=test.auroc if feature.categorical else _above_half(test.auroc),
            direction=_direction(feature, side, mirrored=test.auroc.value < 0.5),  # noqa: PLR2004 - chance
            p=p,
            categorical=feature.categorical,
        )
        for (feature, label, side, test), p in zip(raw, adjusted, strict=True)
    ]
    return sorted(found, key=lambda one: -one.auroc.value)


def features_model(table: AuditTable, features: Sequence[Feature], seed: int = 0) -> dict[str, Estimate]:
    """Label → cross-validated AUROC of all features together; empty where nothing can be measured."""
    targets = table.targets(MIN_SIDE, MAX_LABELS)
    if not targets or not features:
        return {}
    rows = np.arange(len(table))[:MODEL_ROWS]
    columns = np.column_stack([feature.column for feature in features])[rows].astype(float)
    categorical = [feature.categorical for feature in features]
    folds = fold_of(table.group[rows], seed)
    found = {}
    for label, side in targets:
        scores = _model_scores(columns, side[rows], folds, categorical, seed)
        found[label] = clustered_auroc(side[rows], scores, table.group[rows]).auroc
    return found


def _model_scores(
    columns: np.ndarray, side: np.ndarray, folds: np.ndarray, categorical: list[bool], seed: int
) -> np.ndarray:
    scores = np.full(len(side), side.mean())
    for fold in range(FOLDS):
        held = folds == fold
        if not held.any() or side[~held].all() or not side[~held].any():
            continue
        model = HistGradientBoostingClassifier(
            max_iter=MODEL_ROUNDS, categorical_features=categorical, random_state=seed, early_stopping=False
        )
        model.fit(columns[~held], side[~held])
        scores[held] = model.predict_proba(columns[held])[:, 1]
    return scores


def _tested(feature: Feature, side: np.ndarray, folds: np.ndarray, group: np.ndarray) -> AurocTest:
    scores = cross_fitted(feature.column, side, folds) if feature.categorical else feature.column
    return clustered_auroc(side, scores, group)


def cross_fitted(codes: np.ndarray, side: np.ndarray, folds: np.ndarray) -> np.ndarray:  # (n,) int, bool, int -> (n,)
    """The share of the label among the rows of *other* folds with the same value, shrunk towards their average."""
    size = int(codes.max()) + 1
    scores = np.empty(len(codes))
    for fold in range(FOLDS):
        held = folds == fold
        rows = np.bincount(codes[~held], minlength=size)
        hits = np.bincount(codes[~held], side[~held], minlength=size)
        average = side[~held].mean() if (~held).any() else 0.5
        # the average of the other folds falls where the held fold's is high: centred, or it would rank folds backwards
        scores[held] = ((hits + SHRINK * average) / (rows + SHRINK) - average)[codes[held]]
    return scores


def _above_half(auroc: Estimate) -> Estimate:
    if auroc.value >= 0.5:  # noqa: PLR2004 - chance
        return auroc
    return Estimate(value=1 - auroc.value, low=1 - auroc.high, high=1 - auroc.low, n=auroc.n, method=auroc.method)


def _direction(feature: Feature, side: np.ndarray, *, mirrored: bool) -> str:
    if not feature.categorical:
        return "less" if mirrored else "more"
    size = len(feature.values)
    rows = np.bincount(feature.column, minlength=size)
    hits = np.bincount(feature.column, side, minlength=size)
    excess = hits - rows * side.mean()
    best = int(np.argmax(np.abs(excess)))
    name = feature.values[best] or "(empty)"
    return f"{name!r}: {hits[best] / max(rows[best], 1):.0%} of {rows[best]:,} rows, {side.mean():.0%} of all"
