"""Consensus: the labels of one example → its target.

`target_of(labels)`: the most trusted source present decides alone: by an adjudication where there is one, else by
majority; a tie has no target. `tied_target_of(labels)` is what a tie still says. Knows nothing of other examples.
"""

from collections import Counter
from collections.abc import Iterable

from assay.schema.label import ADJUDICATION, LABEL_SOURCES, UNDECIDED, Label, LabelSource, Target


def target_of(labels: Iterable[Label]) -> Target | None:
    """The target, or None where the deciding labels are tied (for adjudication, never for a coin) or there are none.

    >>> from assay.schema.label import Label
    >>> crowd = [Label(example_id="1", value="no", labeller=n, source="crowd", criterion="c/1") for n in "abc"]
    >>> expert = Label(example_id="1", value="yes", labeller="eve", source="expert", criterion="c/1")
    >>> target_of(crowd).value, target_of([*crowd, expert]).value
    ('no', 'yes')
    """
    found = tied_target_of(labels)
    return found if found is not None and found.decided else None


def tied_target_of(labels: Iterable[Label]) -> Target | None:
    """The target, and of tied labels one that is undecided but keeps their votes; None where there are no labels.

    >>> from assay.schema.label import Label
    >>> said = {"ann": "no", "bob": "yes"}
    >>> pair = [Label(example_id="1", value=v, labeller=n, source="crowd", criterion="c/1") for n, v in said.items()]
    >>> found = tied_target_of(pair)
    >>> found.decided, found.votes
    (False, {'no': 1, 'yes': 1})
    """
    given = list(labels)
    source = most_trusted(label.source for label in given)
    if source is None:
        return None
    deciding = [label for label in given if label.source == source]
    settled = [label for label in deciding if label.labeller.startswith(ADJUDICATION)]
    votes = Counter(label.value for label in settled or deciding)
    (value, most), *others = votes.most_common(2)
    tied = bool(others) and others[0][1] == most
    return Target(
        value=UNDECIDED if tied else value,
        source=source,
        votes=dict(sorted(votes.items())),
        agreement=most / votes.total(),
    )


def most_trusted(sources: Iterable[LabelSource]) -> LabelSource | None:
    """The source that decides among these; None for none."""
    return min(sources, key=LABEL_SOURCES.index, default=None)
