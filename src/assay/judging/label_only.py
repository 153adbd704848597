"""What a verdict says where the judge gave a label and no score: probability 1 for it, 0 for the others.

Such a verdict has the mode `verdict`; one whose probabilities were read from the model has `single-token`.
"""

import math

from assay.schema.criterion import Criterion

_LEAST_SCORE = math.log(1e-6)  # a log-softmax of −infinity is no number that JSON has


def label_only(label: str, criterion: Criterion) -> tuple[dict[str, float], dict[str, float]]:
    """Probabilities and scores of a bare label, by label of the scale."""
    probabilities = {other: float(other == label) for other in criterion.labels}
    scores = {other: 0.0 if other == label else _LEAST_SCORE for other in criterion.labels}
    return probabilities, scores
