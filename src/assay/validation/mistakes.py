"""The worst mistakes: wrong verdicts that the judge was most sure of. Reading them is the quickest way to a better data
set.
"""

import numpy as np

from assay.schema.example import Example, field_text
from assay.validation.outcomes import Outcomes
from assay.validation.plain_text import plain
from assay.validation.report import Mistake

MAX_MISTAKES = 12
EXCERPT_CHARS = 280


def worst_mistakes(outcomes: Outcomes, limit: int = MAX_MISTAKES) -> tuple[Mistake, ...]:
    """Wrong decided rows, the surest first; equal ones in the order of the rows."""
    wrong = np.flatnonzero(outcomes.truth != outcomes.predicted)
    surest = wrong[np.argsort(-outcomes.margin[wrong], kind="stable")][:limit]
    labels = outcomes.criterion.labels
    return tuple(
        Mistake(
            example=plain(outcomes.rows[i].example.id),
            truth=labels[outcomes.truth[i]],
            answered=labels[outcomes.predicted[i]],
            probability=float(outcomes.probabilities[i, outcomes.predicted[i]]),
            margin=float(outcomes.margin[i]),
            excerpt=_excerpt(outcomes.rows[i].example, outcomes.criterion.reads),
        )
        for i in surest.tolist()
    )


def _excerpt(example: Example, reads: tuple[str, ...]) -> dict[str, str]:
    texts = {name: field_text(getattr(example, name)) for name in reads}
    return {name: plain(text, limit=EXCERPT_CHARS) for name, text in texts.items() if text}
