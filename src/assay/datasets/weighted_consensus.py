"""Weighted consensus: targets from labellers weighed by how good they are (Dawid-Skene).

`weighted_targets(labels_by_example, criterion)` → a target an example, or None where it goes to adjudication. As with
the majority the most trusted source present decides alone; labellers are weighed within their source. An example whose
most probable label is not clearly ahead is adjudicated, never drawn; `tied_weighted_targets` keeps what is known of it.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from assay.datasets.consensus import most_trusted, tied_target_of
from assay.metrics.answers import Answers
from assay.metrics.dawid_skene import dawid_skene
from assay.schema.criterion import Criterion
from assay.schema.label import ADJUDICATION, UNDECIDED, Label, LabelSource, Target

MIN_CONFIDENCE = 0.6  # of the label that becomes the target; below it two labels are as good as tied


def weighted_targets(
    labels_by_example: Sequence[Sequence[Label]], criterion: Criterion, *, min_confidence: float = MIN_CONFIDENCE
) -> list[Target | None]:
    """One target an example. None: no labels, or no label reaches `min_confidence` (for adjudication).

    An adjudication decides as it does for the majority. A single deciding label stands as it is: nothing can be
    learned about who gave it from that example alone.
    """
    found = tied_weighted_targets(labels_by_example, criterion, min_confidence=min_confidence)
    return [target if target is not None and target.decided else None for target in found]


def tied_weighted_targets(
    labels_by_example: Sequence[Sequence[Label]], criterion: Criterion, *, min_confidence: float = MIN_CONFIDENCE
) -> list[Target | None]:
    """The same, but an example that no label decides has an undecided target with its votes and probabilities."""
    targets: list[Target | None] = [None] * len(labels_by_example)
    places: defaultdict[LabelSource, list[int]] = defaultdict(list)
    for place, labels in enumerate(labels_by_example):
        source = most_trusted(label.source for label in labels)
        if any(label.source == source and label.labeller.startswith(ADJUDICATION) for label in labels):
            targets[place] = tied_target_of(labels)
        elif source is not None:
            places[source].append(place)
    for source, chosen in places.items():
        given = [[label for label in labels_by_example[place] if label.source == source] for place in chosen]
        answers = Answers.of([{label.labeller: label.value for label in labels} for labels in given], criterion.labels)
        probabilities = dawid_skene(answers).probabilities
        for place, labels, row in zip(chosen, given, probabilities, strict=True):
            targets[place] = _target(labels, source, row, criterion, min_confidence)
    return targets


def _target(
    labels: Sequence[Label], source: LabelSource, probabilities: np.ndarray, criterion: Criterion, least: float
) -> Target:
    votes = Counter(label.value for label in labels)
    if len(labels) == 1:
        return Target(value=labels[0].value, source=source, votes=dict(votes), agreement=1.0)
    best = criterion.labels[int(probabilities.argmax())]
    decided = probabilities.max() >= least and votes[best] > 0
    return Target(
        value=best if decided else UNDECIDED,
        source=source,
        votes=dict(sorted(votes.items())),
        agreement=(votes[best] if decided else max(votes.values())) / votes.total(),
        probabilities={label: round(float(p), 6) for label, p in zip(criterion.labels, probabilities, strict=True)},
    )
