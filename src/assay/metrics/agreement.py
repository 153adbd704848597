"""How far labellers agree, beyond what chance would give.

`krippendorff_alpha([{"ann": "yes", "bob": "yes"}, {"ann": "no", "bob": "yes", "cy": "no"}, …], labels=("no", "yes"),
scale="binary")`; `fleiss_kappa`, `gwet_ac1` and `pairwise_agreement` take the same, `cohen_kappa` two lists. Items with
fewer than two labellers say nothing about agreement and are left out. Intervals come from leaving items out
(`agreement_intervals`); they do not cover the choice of the labellers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import krippendorff
import numpy as np

from assay.metrics.agreement_intervals import jackknife
from assay.metrics.confusion import kappa_of, ratio
from assay.metrics.intervals import Estimate
from assay.schema.criterion import ScaleKind

Ratings: TypeAlias = Sequence[Mapping[str, str]]  # per item: labeller → label
Groups: TypeAlias = Sequence[Any] | None  # what is left out together, one an item with two labellers
MIN_LABELLERS = 2
LEVEL_OF_MEASUREMENT: Mapping[ScaleKind, Literal["nominal", "ordinal"]] = {
    "binary": "nominal",
    "categorical": "nominal",
    "pairwise": "nominal",
    "ordinal": "ordinal",
}


def krippendorff_alpha(ratings: Ratings, labels: Sequence[str], scale: ScaleKind, *, groups: Groups = None) -> Estimate:
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
    k, level = counts.shape[1], LEVEL_OF_MEASUREMENT[scale]
    if np.count_nonzero(counts.sum(axis=0)) < MIN_LABELLERS:
        raise ValueError("Krippendorff's alpha is undefined when every label given is the same one.")

    def alpha(sums: np.ndarray) -> np.ndarray:
        return _alpha_of(sums.reshape(-1, k, k), ordinal=level == "ordinal")

    parts = _coincidences(counts).reshape(len(counts), -1)
    found = jackknife(alpha, parts, units=_telling(counts), groups=groups)
    value = float(krippendorff.alpha(value_counts=counts, level_of_measurement=level))
    return Estimate(value=value, low=found.low, high=found.high, n=found.n, method=found.method)


def fleiss_kappa(ratings: Ratings, labels: Sequence[str], *, groups: Groups = None) -> Estimate:
    """Fleiss' κ = (p̄ − p̄ₑ)/(1 − p̄ₑ), p̄ₑ = Σ πⱼ² (Fleiss 1971), labels nominal.

    p̄ is the mean over items of the share of agreeing labeller pairs, πⱼ the mean over items of the share of label j; so
    items with more labellers do not weigh more. With as many labellers for every item it is Fleiss' own. Raises
    ValueError as `krippendorff_alpha`.

    >>> round(fleiss_kappa([{"a": "x", "b": "x"}, {"a": "y", "b": "y"}, {"a": "x", "b": "y"}], ("x", "y")).value, 3)
    0.333
    """
    return _chance_corrected(ratings, labels, lambda shares: (shares**2).sum(axis=1), groups)


def gwet_ac1(ratings: Ratings, labels: Sequence[str], *, groups: Groups = None) -> Estimate:
    """Gwet's AC1 = (p̄ − p̄ₑ)/(1 − p̄ₑ), p̄ₑ = Σ πⱼ(1 − πⱼ)/(k − 1) (Gwet 2008), labels nominal.

    Its chance term does not collapse where nearly all labels are the same one, so it stays defined and high there,
    where κ and α fall. Only items with two labellers enter. Raises ValueError where no item has them.

    >>> round(gwet_ac1([{"a": "x", "b": "x"}] * 9 + [{"a": "x", "b": "y"}], ("x", "y")).value, 3)
    0.89
    """
    k = len(labels)
    return _chance_corrected(ratings, labels, lambda shares: (shares * (1 - shares)).sum(axis=1) / (k - 1), groups)


def pairwise_agreement(ratings: Ratings, *, groups: Groups = None) -> Estimate:
    """The share of labeller pairs, on the same item, who gave the same label. Chance is not taken out.

    Raises ValueError where no item has two labellers.

    >>> pairwise_agreement([{"ann": "a", "bob": "a"}, {"ann": "a", "bob": "b", "cy": "a"}]).value
    0.5
    """
    labels = sorted({label for item in ratings for label in item.values()})
    counts = label_counts(ratings, labels)
    raters = counts.sum(axis=1)
    parts = np.column_stack([(counts * (counts - 1)).sum(axis=1), raters * (raters - 1)])
    return jackknife(lambda sums: ratio(sums[:, 0], sums[:, 1]), parts, units=len(counts), lowest=0.0, groups=groups)


def cohen_kappa(
    a: Sequence[str],  # (n,)
    b: Sequence[str],  # (n,)
    *,
    labels: Sequence[str] | None = None,
    quadratic: bool = False,
    groups: Groups = None,
) -> Estimate:
    """Cohen's κ between two labellers of the same n items (Cohen 1960). `labels` in ascending order are needed for
    quadratic weights (Cohen 1968).

    Raises ValueError where the lengths differ or are 0, or where both gave one and the same label throughout.

    >>> round(cohen_kappa(["y", "y", "n", "n"], ["y", "n", "n", "n"]).value, 3)
    0.5
    """
    if len(a) != len(b):
        raise ValueError(f"Two labellers of the same items are compared: {len(a)} labels do not match {len(b)}.")
    if not len(a):
        raise ValueError("Agreement needs at least one row; there are none.")
    known = list(labels) if labels is not None else sorted({*a, *b})
    position = {label: index for index, label in enumerate(known)}
    k = len(known)
    cells = np.array([_position(position, x) * k + _position(position, y) for x, y in zip(a, b, strict=True)])
    common = int(np.bincount(cells // k).max())
    return jackknife(
        lambda sums: kappa_of(sums.reshape(-1, k, k), quadratic=quadratic),
        np.eye(k * k)[cells],
        units=max(1, len(a) - common),
        groups=groups,
    )


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


def _chance_corrected(ratings: Ratings, labels: Sequence[str], chance: Any, groups: Groups) -> Estimate:
    counts = label_counts(ratings, labels)
    raters = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))

    def coefficient(sums: np.ndarray) -> np.ndarray:
        observed, shares = sums[:, 0] / sums[:, 1], sums[:, 2:] / sums[:, 1:2]
        expected = chance(shares)
        return ratio(observed - expected, 1 - expected)

    parts = np.column_stack([agreeing, np.ones(len(counts)), counts / raters[:, None]])
    return jackknife(coefficient, parts, units=_telling(counts), groups=groups)


def _telling(counts: np.ndarray) -> int:
    """The items outside the commonest label: chance-corrected agreement hangs on them."""
    return max(1, len(counts) - int((counts > 0).sum(axis=0).max()))


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
