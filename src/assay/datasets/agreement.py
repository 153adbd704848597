"""How far the labellers of a dataset agree, as measured when it is frozen.

`measured_agreement(labelled, criterion)` → coefficient name → value, low, high, n; empty where no example has two
labellers. Whoever decided a disagreement saw the other labels, so adjudications say nothing about agreement. Examples
of one group are no independent evidence: intervals leave a group out as a whole.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from assay.metrics.agreement import MIN_LABELLERS, fleiss_kappa, gwet_ac1, krippendorff_alpha, pairwise_agreement
from assay.metrics.intervals import Estimate
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.label import ADJUDICATION, Label

Labelled: TypeAlias = Iterable[tuple[Example, Sequence[Label]]]


@dataclass(frozen=True, kw_only=True)
class Rated:
    """An example that two or more labellers saw: their opinions, and labeller → label."""

    example: Example
    opinions: tuple[Label, ...]
    ratings: dict[str, str]

    @property
    def group(self) -> str:
        """What this example is left out with; without a group it stands alone."""
        return self.example.group or self.example.id


def measured_agreement(labelled: Labelled, criterion: Criterion) -> dict[str, dict[str, float]]:
    """Krippendorff's α, Fleiss' κ, Gwet's AC1 and the share of agreeing pairs, over the examples that two or more
    labellers saw.

    A coefficient that these labels leave undefined (α and κ where all gave one label) is left out, and so are κ and AC1
    on an ordinal scale, whose distances they do not see.
    """
    return {
        name: {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": float(estimate.n)}
        for name, estimate in coefficients(rated(labelled), criterion).items()
    }


def opinions_of(labels: Iterable[Label]) -> tuple[Label, ...]:
    """The labels that somebody gave without seeing those of others: all but adjudications."""
    return tuple(label for label in labels if not label.labeller.startswith(ADJUDICATION))


def rated(labelled: Labelled) -> list[Rated]:
    """The examples on which agreement can be measured."""
    given = ((example, opinions_of(labels)) for example, labels in labelled)
    found = (
        Rated(example=example, opinions=opinions, ratings={one.labeller: one.value for one in opinions})
        for example, opinions in given
    )
    return [one for one in found if len(one.ratings) >= MIN_LABELLERS]


def coefficients(shared: Sequence[Rated], criterion: Criterion) -> dict[str, Estimate]:
    """Every coefficient that these examples define."""
    if not shared:
        return {}
    labels, kind = criterion.labels, criterion.scale.kind
    ratings, groups = [one.ratings for one in shared], [one.group for one in shared]
    measures: dict[str, Callable[[], Estimate]] = {
        "krippendorff_alpha": lambda: krippendorff_alpha(ratings, labels, kind, groups=groups),
        "pairwise_agreement": lambda: pairwise_agreement(ratings, groups=groups),
    }
    if kind != "ordinal":
        measures |= {
            "fleiss_kappa": lambda: fleiss_kappa(ratings, labels, groups=groups),
            "gwet_ac1": lambda: gwet_ac1(ratings, labels, groups=groups),
        }
    found = {name: defined(measure) for name, measure in measures.items()}
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def defined(measure: Callable[[], Estimate]) -> Estimate | None:
    """The estimate, or None where it is undefined."""
    try:
        estimate = measure()
    except ValueError:
        return None
    return estimate if all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))) else None
