"""How far the labellers of a dataset agree, as measured when it is frozen.

`measured_agreement(labels_by_example, criterion)` → coefficient name → value, low, high, n; empty where no example has
two labellers.
"""

import math
from collections.abc import Callable, Sequence

from assay.metrics.agreement import MIN_LABELLERS, krippendorff_alpha, pairwise_agreement
from assay.metrics.intervals import Estimate
from assay.schema.criterion import Criterion
from assay.schema.label import Label


def measured_agreement(
    labels_by_example: Sequence[Sequence[Label]], criterion: Criterion
) -> dict[str, dict[str, float]]:
    """Krippendorff's α and the share of agreeing pairs over the examples that two or more labellers saw.

    A coefficient that these labels leave undefined (α where all gave one label) is left out.
    """
    ratings = [{label.labeller: label.value for label in labels} for labels in labels_by_example]
    shared = [item for item in ratings if len(item) >= MIN_LABELLERS]
    if not shared:
        return {}
    found = {
        "krippendorff_alpha": _estimate(lambda: krippendorff_alpha(shared, criterion.labels, criterion.scale.kind)),
        "pairwise_agreement": _estimate(lambda: pairwise_agreement(shared)),
    }
    return {
        name: {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": float(estimate.n)}
        for name, estimate in found.items()
        if estimate is not None
    }


def _estimate(measure: Callable[[], Estimate]) -> Estimate | None:
    try:
        estimate = measure()
    except ValueError:
        return None
    return estimate if all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))) else None
