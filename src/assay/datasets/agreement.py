"""How far the labellers of a dataset agree, as measured when it is frozen.

`measured_agreement(labels_by_example, criterion)` → coefficient name → value, low, high, n; empty where no example has
two labellers. Whoever decided a disagreement saw the other labels, so adjudications say nothing about agreement.
"""

import math
from collections.abc import Callable, Sequence

from assay.metrics.agreement import MIN_LABELLERS, fleiss_kappa, gwet_ac1, krippendorff_alpha, pairwise_agreement
from assay.metrics.intervals import Estimate
from assay.schema.criterion import Criterion
from assay.schema.label import ADJUDICATION, Label


def measured_agreement(
    labels_by_example: Sequence[Sequence[Label]], criterion: Criterion
) -> dict[str, dict[str, float]]:
    """Krippendorff's α, Fleiss' κ, Gwet's AC1 and the share of agreeing pairs, over the examples that two or more
    labellers saw.

    A coefficient that these labels leave undefined (α and κ where all gave one label) is left out, and so are κ and AC1
    on an ordinal scale, whose distances they do not see.
    """
    return {
        name: {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": float(estimate.n)}
        for name, estimate in coefficients(ratings_of(labels_by_example), criterion).items()
    }


def ratings_of(labels_by_example: Sequence[Sequence[Label]]) -> list[dict[str, str]]:
    """Labeller → label, for each example; adjudications are left out."""
    return [
        {label.labeller: label.value for label in labels if not label.labeller.startswith(ADJUDICATION)}
        for labels in labels_by_example
    ]


def coefficients(ratings: Sequence[dict[str, str]], criterion: Criterion) -> dict[str, Estimate]:
    """Every coefficient that these ratings define."""
    shared = [item for item in ratings if len(item) >= MIN_LABELLERS]
    if not shared:
        return {}
    labels, kind = criterion.labels, criterion.scale.kind
    measures: dict[str, Callable[[], Estimate]] = {
        "krippendorff_alpha": lambda: krippendorff_alpha(shared, labels, kind),
        "pairwise_agreement": lambda: pairwise_agreement(shared),
    }
    if kind != "ordinal":
        measures |= {"fleiss_kappa": lambda: fleiss_kappa(shared, labels), "gwet_ac1": lambda: gwet_ac1(shared, labels)}
    found = {name: defined(measure) for name, measure in measures.items()}
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def defined(measure: Callable[[], Estimate]) -> Estimate | None:
    """The estimate, or None where it is undefined."""
    try:
        estimate = measure()
    except ValueError:
        return None
    return estimate if all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))) else None
