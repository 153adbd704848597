"""How far labellers agree, beyond what chance would give.

`krippendorff_alpha([{"ann": "yes", "bob": "yes"}, {"ann": "no", "bob": "yes", "cy": "no"}, …], labels=("no", "yes"),
scale="binary")`. Items with fewer than two labellers say nothing about agreement and are left out. Intervals come
from drawing items again; they do not cover the choice of the labellers.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import krippendorff
import numpy as np

from assay.metrics.confusion import confusion_counts, kappa_of, ratio
from assay.metrics.intervals import Estimate
from assay.metrics.resampling import ROWS, Resampling, bootstrap
from assay.schema.criterion import ScaleKind

Ratings: TypeAlias = Sequence[Mapping[str, str]]  # per item: labeller → label
MIN_LABELLERS = 2
LEVEL_OF_MEASUREMENT: Mapping[ScaleKind, Literal["nominal", "ordinal"]] = {
    "binary": "nominal",
    "categorical": "nominal",
    "pairwise": "nominal",
    "ordinal": "ordinal",
}


def krippendorff_alpha(
    ratings: Ratings, labels: Sequence[str], scale: ScaleKind, resampling: Resampling = ROWS
) -> Estimate:
    """Krippendorff's α: 1 − observed / expected disagreement, for any number of labellers and with gaps (Krippendorff
    2004).

    1 is perfect, 0 is chance. `labels` stand in ascending order where the scale is ordinal. Raises ValueError where
    no item has two labellers, where only one label was ever given (chance is then undefined), for a label not in
    `labels` and for multi-label scales.

    >>> items = [{"ann": "a", "bob": "a"}, {"ann": "b", "bob": "b"}, {"ann": "b", "bob": "a"}, {"ann": "b"}]
    >>> round(krippendorff_alpha(items, ("a", "b"), "binary").value, 3)
    0.444
    """
    if scale not in LEVEL_OF_MEASUREMENT:
        raise ValueError(f"Agreement on a {scale} scale is measured one label at a time, as binary.")
    counts = label_counts(ratings, labels)
    if np.count_nonzero(counts.sum(axis=0)) < MIN_LABELLERS:
        raise ValueError("Krippendorff's alpha is undefined when every label given is the same one.")
    level = LEVEL_OF_MEASUREMENT[scale]
    value = float(krippendorff.alpha(value_counts=counts, level_of_measurement=level))

    def alpha(weights: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        return _alpha_of(np.tensordot(weights, pairs, axes=1), ordinal=level == "ordinal")

    common = int((counts > 0).sum(axis=0).max())  # of the commonest label; α hangs on the items outside it
    estimate = bootstrap(alpha, [_coincidences(counts)], resampling, units=max(1, len(counts) - common))
    return Estimate(value=value, low=estimate.low, high=estimate.high, n=estimate.n, method=estimate.method)


def pairwise_agreement(ratings: Ratings, resampling: Resampling = ROWS) -> Estimate:
    """The share of labeller pairs, on the same item, who gave the same label. Chance is not taken out.

    Raises ValueError where no item has two labellers.

    >>> pairwise_agreement([{"ann": "a", "bob": "a"}, {"ann": "a", "bob": "b", "cy": "a"}]).value
    0.5
    """
    labels = sorted({label for item in ratings for label in item.values()})
    counts = label_counts(ratings, labels)
    raters = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / 2
    pairs = raters * (raters - 1) / 2

    def share(weights: np.ndarray, agreeing: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        return np.asarray((weights @ agreeing) / (weights @ pairs))

    return bootstrap(share, [agreeing, pairs], resampling, units=len(counts))


def cohen_kappa(
    a: Sequence[str],  # (n,)
    b: Sequence[str],  # (n,)
    *,
    labels: Sequence[str] | None = None,
    quadratic: bool = False,
    resampling: Resampling = ROWS,
) -> Estimate:
    """Cohen's κ between two labellers of the same n items. `labels` in ascending order are needed for quadratic
    weights.

    Raises ValueError where the lengths differ or are 0, or where both gave one and the same label throughout.

    >>> round(cohen_kappa(["y", "y", "n", "n"], ["y", "n", "n", "n"]).value, 3)
    0.5
    """
    if len(a) != len(b):
        raise ValueError(f"Two labellers of the same items are compared: {len(a)} labels do not match {len(b)}.")
    known = list(labels) if labels is not None else sorted({*a, *b})
    position = {label: index for index, label in enumerate(known)}
    codes = [np.array([_position(position, label) for label in side], dtype=int) for side in (a, b)]

    def kappa(weights: np.ndarray, a_codes: np.ndarray, b_codes: np.ndarray) -> np.ndarray:
        return kappa_of(confusion_counts(weights, a_codes, b_codes, len(known)), quadratic=quadratic)

    common = int(np.bincount(codes[0]).max()) if len(a) else 0
    return bootstrap(kappa, codes, resampling, units=max(1, len(a) - common))


def label_counts(ratings: Ratings, labels: Sequence[str]) -> np.ndarray:  # (items with two labellers, k) float
    """How many labellers gave each label, for the items that have at least two. Raises ValueError where there are
    none.
    """
    position = {label: index for index, label in enumerate(labels)}
    several = [item for item in ratings if len(item) >= MIN_LABELLERS]
    if not several:
        raise ValueError(f"Agreement needs an item with two labellers; none of {len(ratings)} has them.")
    counts = np.zeros((len(several), len(labels)))
    for row, item in enumerate(several):
        for label in item.values():
            counts[row, _position(position, label)] += 1
    return counts


def _position(position: Mapping[str, int], label: str) -> int:
    if label not in position:
        raise ValueError(f"The label {label!r} is not one of {list(position)}.")
    return position[label]


def _coincidences(counts: np.ndarray) -> np.ndarray:  # (items, k) -> (items, k, k)
    """Each item's share of the coincidence matrix: ordered label pairs within the item over (its labellers − 1)."""
    raters = counts.sum(axis=1)[:, None, None]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1])
    return np.asarray(pairs / (raters - 1))


def _alpha_of(observed: np.ndarray, *, ordinal: bool) -> np.ndarray:  # (s, k, k) -> (s,)
    """α of coincidence matrices, NaN where one label only occurs."""
    k = observed.shape[1]
    given = observed.sum(axis=1)  # (s, k)
    expected = given[:, :, None] * given[:, None, :] - given[:, :, None] * np.eye(k)
    if ordinal:
        middle = np.cumsum(given, axis=1) - given / 2  # mean rank of each label
        distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    else:
        distance = np.broadcast_to(1 - np.eye(k), observed.shape)
    disagreement = (observed * distance).sum(axis=(1, 2)) * (given.sum(axis=1) - 1)
    return 1 - ratio(disagreement, (expected * distance).sum(axis=(1, 2)))
