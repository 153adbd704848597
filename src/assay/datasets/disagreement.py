"""Disagreement: the examples on which labellers differ most, and the guidance that they touch.

What a refusal for want of agreement shows, so that someone can mend the guidance rather than the labels.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.label import ADJUDICATION, Label

MIN_LABELS = 2
NO_GUIDANCE = "(no guidance is written for this answer)"


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """One example whose labellers differ. `share` is that of the labeller pairs who differ; `guidance` holds the lines
    of the criterion between which they were torn, by label.
    """

    example: str
    text: str
    votes: dict[str, int]
    share: float
    guidance: dict[str, str]


def most_disagreed(labelled: Iterable[tuple[Example, Sequence[Label]]], criterion: Criterion) -> list[Disagreement]:
    """The examples with any disagreement, the most divided first (of equals those with more labels)."""
    lines = {level.label: level.guidance or NO_GUIDANCE for level in criterion.scale.levels}
    found = []
    for example, labels in labelled:
        votes = Counter(label.value for label in labels if not label.labeller.startswith(ADJUDICATION))
        total = votes.total()
        if total < MIN_LABELS or len(votes) < MIN_LABELS:
            continue
        agreeing = sum(count * (count - 1) for count in votes.values())
        found.append(
            Disagreement(
                example=example.id,
                text=example.text(criterion.reads),
                votes=dict(votes.most_common()),
                share=1 - agreeing / (total * (total - 1)),
                guidance={label: lines[label] for label in criterion.labels if votes[label]},
            )
        )
    return sorted(found, key=lambda one: (-one.share, -sum(one.votes.values()), one.example))


def contested_labels(disagreed: Iterable[Disagreement], criterion: Criterion) -> list[tuple[tuple[str, ...], int]]:
    """Which answers people were torn between, and on how many examples, the commonest first."""
    pairs = Counter(tuple(label for label in criterion.labels if label in one.votes) for one in disagreed)
    return pairs.most_common()
