"""Consensus: the labels of one example → its target.

`target_of(labels)`: the most trusted source present decides alone: by an adjudication where there is one, else by
majority; a tie has no target. Knows nothing of other examples.
"""

from collections import Counter
from collections.abc import Iterable

from assay.schema.label import ADJUDICATION, LABEL_SOURCES, Label, LabelSource, Target


def target_of(labels: Iterable[Label]) -> Target | None:
    """The target, or None where the deciding labels are tied (for adjudication, never for a coin) or there are none.

    >>> from assay.schema.label import Label
    >>> crowd = [Label(example_id="1", value="no", labeller=n, source="crowd", criterion="c/1") for n in "abc"]
    >>> expert = Label(example_id="1", value="yes", labeller="eve", source="expert", criterion="c/1")
    >>> target_of(crowd).value, target_of([*crowd, expert]).value
    ('no', 'yes')
    """
    given = list(labels)
    source = most_trusted(label.source for label in given)
    if source is None:
        return None
    deciding = [label for label in given if label.source == source]
    settled = [label for label in deciding if label.labeller.startswith(ADJUDICATION)]
    votes = Counter(label.value for label in settled or deciding)
    (value, most), *others = votes.most_common(2)
    if others and others[0][1] == most:
        return None
    return Target(value=value, source=source, votes=dict(sorted(votes.items())), agreement=most / votes.total())


def most_trusted(sources: Iterable[LabelSource]) -> LabelSource | None:
    """The source that decides among these; None for none."""
    return min(sources, key=LABEL_SOURCES.index, default=None)
