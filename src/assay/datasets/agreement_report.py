"""Agreement in full: over all, by slice, by pair of labellers, over time, labeller by labeller, and where it breaks.

`agreement_report(labelled, criterion)` is what `assay data agreement` shows and the audit quotes. Agreement is the
judge's ceiling: no judge agrees better with labels than labels agree with one another.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from assay.datasets.agreement import coefficients, defined, ratings_of
from assay.datasets.disagreement import Disagreement, most_disagreed
from assay.metrics.agreement import MIN_LABELLERS, cohen_kappa, krippendorff_alpha
from assay.metrics.agreement_labellers import LabellerDrift, LabellerQuality, labeller_drift, labeller_quality
from assay.metrics.answers import Answers
from assay.metrics.intervals import Estimate
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.label import ADJUDICATION, Label

MIN_SHARED = 20  # examples behind a pair's or a part's coefficient
MAX_SLICE_VALUES = 12
MAX_PAIRS = 200
_MONTH = len("2026-11")

Labelled = Sequence[tuple[Example, Sequence[Label]]]


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
    """All of it. `shared` counts the examples with two labellers, `pairs_left_out` the pairs beyond the list."""

    criterion: str
    examples: int
    shared: int
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
    ratings = ratings_of([labels for _, labels in labelled])
    shared = [place for place, item in enumerate(ratings) if len(item) >= MIN_LABELLERS]
    answers = Answers.of([ratings[place] for place in shared], criterion.labels)
    pairs = _pairs([ratings[place] for place in shared], criterion)
    quality = labeller_quality(answers) if shared else []
    return AgreementReport(
        criterion=criterion.key,
        examples=len(labelled),
        shared=len(shared),
        labellers=len({name for item in ratings for name in item}),
        overall=coefficients(ratings, criterion),
        versions=dict(Counter(label.criterion for _, labels in labelled for label in labels)),
        by_version=tuple(one for version, given in under for one in _version(version, given)),
        slices=tuple(_slices(labelled, ratings, shared, criterion)),
        months=tuple(_months(labelled, ratings, shared, criterion)),
        pairs=tuple(pairs[:MAX_PAIRS]),
        pairs_left_out=max(0, len(pairs) - MAX_PAIRS),
        quality=tuple(quality),
        drift=tuple(labeller_drift(answers, _dates(labelled, shared, answers)) if shared else []),
        disagreed=tuple(most_disagreed(labelled, criterion)[:max_disagreed]),
    )


def _pairs(ratings: Sequence[Mapping[str, str]], criterion: Criterion) -> list[PairAgreement]:
    """Pairs with enough shared examples, the least agreeing first."""
    both: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for item in ratings:
        for a, b in combinations(sorted(item), 2):
            both[a, b].append((item[a], item[b]))
    found = [_pair(names, given, criterion) for names, given in both.items() if len(given) >= MIN_SHARED]
    return sorted(found, key=lambda pair: (pair.same if pair.kappa is None else pair.kappa.value, pair.a, pair.b))


def _pair(names: tuple[str, str], given: list[tuple[str, str]], criterion: Criterion) -> PairAgreement:
    a, b = zip(*given, strict=True)
    quadratic = criterion.scale.kind == "ordinal"
    kappa = defined(lambda: cohen_kappa(a, b, labels=criterion.labels, quadratic=quadratic))
    same = sum(x == y for x, y in given) / len(given)
    return PairAgreement(a=names[0], b=names[1], n=len(given), same=same, kappa=kappa)


def _slices(
    labelled: Labelled, ratings: Sequence[dict[str, str]], shared: Sequence[int], criterion: Criterion
) -> list[PartAgreement]:
    keys = dict.fromkeys(key for place in shared for key in labelled[place][0].meta)
    found: list[PartAgreement] = []
    for key in keys:
        parts: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        for place in shared:
            value = labelled[place][0].meta.get(key)
            if isinstance(value, str | int):
                parts[str(value)].append(ratings[place])
        if 1 < len(parts) <= MAX_SLICE_VALUES:
            found += _parts(key, parts, criterion)
    return found


def _version(criterion: Criterion, given: Labelled) -> list[PartAgreement]:
    """Labels given under this very version; carried ones were given under another."""
    own = [[label for label in labels if label.criterion == criterion.key] for _, labels in given]
    shared = [item for item in ratings_of(own) if len(item) >= MIN_LABELLERS]
    return _parts("version", {criterion.version: shared}, criterion)


def _months(
    labelled: Labelled, ratings: Sequence[dict[str, str]], shared: Sequence[int], criterion: Criterion
) -> list[PartAgreement]:
    """By the month in which an example got its last label."""
    parts: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for place in shared:
        dates = [label.created_at for label in labelled[place][1] if label.created_at]
        if dates:
            parts[max(dates)[:_MONTH]].append(ratings[place])
    return _parts("month", parts, criterion) if len(parts) > 1 else []


def _parts(key: str, parts: Mapping[str, list[dict[str, str]]], criterion: Criterion) -> list[PartAgreement]:
    measured = {
        value: defined(lambda items=items: krippendorff_alpha(items, criterion.labels, criterion.scale.kind))  # type: ignore[misc]
        for value, items in sorted(parts.items())
        if len(items) >= MIN_SHARED
    }
    return [PartAgreement(key=key, value=value, alpha=alpha) for value, alpha in measured.items() if alpha is not None]


def _dates(labelled: Labelled, shared: Sequence[int], answers: Answers) -> np.ndarray:  # (m,) of text, "" where unknown
    when: dict[tuple[int, str], Any] = {
        (number, label.labeller): label.created_at or ""
        for number, place in enumerate(shared)
        for label in labelled[place][1]
        if not label.labeller.startswith(ADJUDICATION)
    }
    names = answers.labellers
    pairs = zip(answers.item.tolist(), answers.labeller.tolist(), strict=True)
    return np.array([when[item, names[labeller]] for item, labeller in pairs], dtype=str)
