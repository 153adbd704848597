"""Agreement in full: over all, by slice, by pair of labellers, over time, labeller by labeller, and where it breaks.

`agreement_report(labelled, criterion)` is what `assay data agreement` shows and the audit quotes. Agreement is the
judge's ceiling: no judge agrees better with labels than labels agree with one another.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from assay.datasets.agreement import Rated, coefficients, defined, opinions_of, rated
from assay.datasets.disagreement import Disagreement, most_disagreed
from assay.metrics.agreement import cohen_kappa, krippendorff_alpha
from assay.metrics.agreement_labellers import LabellerDrift, LabellerQuality, labeller_drift, labeller_quality
from assay.metrics.answers import Answers
from assay.metrics.intervals import Estimate
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.label import Label

WITH_OTHERS = 3  # labellers of an example on which one is compared: themselves and two who can differ without them
MIN_SHARED = 20  # examples behind a pair's or a part's coefficient
MAX_SLICE_VALUES = 12
MAX_PAIRS = 200
_MONTH = len("2026-11")

Labelled: TypeAlias = Sequence[tuple[Example, Sequence[Label]]]


@dataclass(frozen=True, kw_only=True)
class PairAgreement:
    """Two labellers on the examples that both saw; `kappa` None where both gave one and the same label throughout."""

    a: str
    b: str
    n: int
    same: float
    kappa: Estimate | None


@dataclass(frozen=True, kw_only=True)
class PartAgreement:
    """α of a part of the labels: a slice (`key` is its meta key), a month (`key` is "month") or the labels given under
    one version of the criterion (`key` is "version").
    """

    key: str
    value: str
    alpha: Estimate


@dataclass(frozen=True, kw_only=True)
class AgreementReport:
    """All of it. `shared` counts the examples with two labellers, `with_others` those with three, on which alone one of
    them can be compared with the others (`quality`, `drift`); `pairs_left_out` the pairs beyond the list.
    """

    criterion: str
    examples: int
    shared: int
    with_others: int
    labellers: int
    overall: Mapping[str, Estimate]
    versions: Mapping[str, int]  # criterion key → labels given under it
    by_version: tuple[PartAgreement, ...]  # those that were asked about, newest first
    slices: tuple[PartAgreement, ...]
    months: tuple[PartAgreement, ...]
    pairs: tuple[PairAgreement, ...]
    pairs_left_out: int
    quality: tuple[LabellerQuality, ...]
    drift: tuple[LabellerDrift, ...]
    disagreed: tuple[Disagreement, ...]


def agreement_report(
    labelled: Labelled,
    criterion: Criterion,
    *,
    under: Sequence[tuple[Criterion, Labelled]] = (),
    max_disagreed: int = 20,
) -> AgreementReport:
    """Measure everything that these labels allow. Where no example has two labellers the parts are empty.

    `under` holds, for a comparison of versions, each with the labels that were given under it.
    """
    shared = rated(labelled)
    answers = Answers.of([one.ratings for one in shared], criterion.labels)
    pairs = _pairs(shared, criterion)
    quality = labeller_quality(answers) if shared else []
    return AgreementReport(
        criterion=criterion.key,
        examples=len(labelled),
        shared=len(shared),
        with_others=sum(len(one.ratings) >= WITH_OTHERS for one in shared),
        labellers=len({label.labeller for _, labels in labelled for label in opinions_of(labels)}),
        overall=coefficients(shared, criterion),
        versions=dict(Counter(label.criterion for _, labels in labelled for label in labels)),
        by_version=tuple(one for version, given in under for one in _version(version, given)),
        slices=tuple(_slices(shared, criterion)),
        months=tuple(_months(shared, criterion)),
        pairs=tuple(pairs[:MAX_PAIRS]),
        pairs_left_out=max(0, len(pairs) - MAX_PAIRS),
        quality=tuple(quality),
        drift=tuple(labeller_drift(answers, _dates(shared, answers)) if shared else []),
        disagreed=tuple(most_disagreed(labelled, criterion)[:max_disagreed]),
    )


def _pairs(shared: Sequence[Rated], criterion: Criterion) -> list[PairAgreement]:
    """Pairs with enough shared examples, the least agreeing first."""
    both: defaultdict[tuple[str, str], list[Rated]] = defaultdict(list)
    for one in shared:
        for pair in combinations(sorted(one.ratings), 2):
            both[pair].append(one)
    found = [_pair(names, seen, criterion) for names, seen in both.items() if len(seen) >= MIN_SHARED]
    return sorted(found, key=lambda pair: (pair.same if pair.kappa is None else pair.kappa.value, pair.a, pair.b))


def _pair(names: tuple[str, str], seen: Sequence[Rated], criterion: Criterion) -> PairAgreement:
    a, b = ([one.ratings[name] for one in seen] for name in names)
    quadratic, groups = criterion.scale.kind == "ordinal", [one.group for one in seen]
    kappa = defined(lambda: cohen_kappa(a, b, labels=criterion.labels, quadratic=quadratic, groups=groups))
    same = sum(x == y for x, y in zip(a, b, strict=True)) / len(seen)
    return PairAgreement(a=names[0], b=names[1], n=len(seen), same=same, kappa=kappa)


def _slices(shared: Sequence[Rated], criterion: Criterion) -> list[PartAgreement]:
    keys = dict.fromkeys(key for one in shared for key in one.example.meta)
    found: list[PartAgreement] = []
    for key in keys:
        parts: defaultdict[str, list[Rated]] = defaultdict(list)
        for one in shared:
            value = one.example.meta.get(key)
            if isinstance(value, str | int):
                parts[str(value)].append(one)
        if 1 < len(parts) <= MAX_SLICE_VALUES:
            found += _parts(key, parts, criterion)
    return found


def _version(criterion: Criterion, given: Labelled) -> list[PartAgreement]:
    """Labels given under this very version; carried ones were given under another."""
    own = [(example, [label for label in labels if label.criterion == criterion.key]) for example, labels in given]
    return _parts("version", {criterion.version: rated(own)}, criterion)


def _months(shared: Sequence[Rated], criterion: Criterion) -> list[PartAgreement]:
    """By the month in which an example got its last opinion."""
    parts: defaultdict[str, list[Rated]] = defaultdict(list)
    for one in shared:
        dates = [label.created_at for label in one.opinions if label.created_at]
        if dates:
            parts[max(dates)[:_MONTH]].append(one)
    return _parts("month", parts, criterion) if len(parts) > 1 else []


def _parts(key: str, parts: Mapping[str, list[Rated]], criterion: Criterion) -> list[PartAgreement]:
    measured = {
        value: _alpha(shared, criterion) for value, shared in sorted(parts.items()) if len(shared) >= MIN_SHARED
    }
    return [PartAgreement(key=key, value=value, alpha=alpha) for value, alpha in measured.items() if alpha is not None]


def _alpha(shared: Sequence[Rated], criterion: Criterion) -> Estimate | None:
    ratings, groups = [one.ratings for one in shared], [one.group for one in shared]
    return defined(lambda: krippendorff_alpha(ratings, criterion.labels, criterion.scale.kind, groups=groups))


def _dates(shared: Sequence[Rated], answers: Answers) -> np.ndarray:  # (m,) of text, "" where unknown
    when = {
        (number, label.labeller): label.created_at or "" for number, one in enumerate(shared) for label in one.opinions
    }
    names = answers.labellers
    pairs = zip(answers.item.tolist(), answers.labeller.tolist(), strict=True)
    return np.array([when[item, names[labeller]] for item, labeller in pairs], dtype=str)
