"""Kind: one way of making a row from another, and which criteria it suits.

`kinds_named(("flip", "swap"))` looks them up; `check_fits(kind, criterion, ends)` says why one cannot be used. Ends are
the two labels between which an answer is spoilt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.ingest.mapping import meant
from assay.schema.criterion import Criterion, Field
from assay.schema.errors import InputError, shown
from assay.schema.label import LabelSource


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`asks`: a language model writes it. `new_label`: it is made for another label than its parent's.

    `near_parent`: it may be nearly its parent's text though the label is the same.
    """

    name: str
    asks: bool
    new_label: bool
    near_parent: bool = False

    @property
    def label_source(self) -> LabelSource:
        """What its labels count as: the model that wrote the text is their teacher, else a rule is."""
        return "teacher" if self.asks else "rule"


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="paraphrase", asks=True, new_label=False),
        Kind(name="flip", asks=True, new_label=True),
        Kind(name="corrupt", asks=True, new_label=True),
        Kind(name="policy-flip", asks=True, new_label=True),
        Kind(name="swap", asks=False, new_label=True, near_parent=True),
        Kind(name="reference-drop", asks=False, new_label=False, near_parent=True),
    )
}
POLICY_FIELDS: tuple[Field, ...] = ("context", "reference")  # what an answer is held against, the first that is read
_ASKED_BESIDE: tuple[Field, ...] = ("input", "context", "reference", "turns")


@dataclass(frozen=True, kw_only=True)
class Ends:
    """The labels of a good answer and of a spoilt one; None where nobody has said."""

    good: str | None = None
    bad: str | None = None


def kinds_named(names: Sequence[str]) -> tuple[Kind, ...]:
    """The kinds of these names, each once, in the order of the table. Raises InputError (none, or an unknown one)."""
    for name in names:
        if name not in KINDS:
            raise InputError("There is no such kind of augmentation.", required=meant(name, KINDS), got=shown(name))
    if not names:
        raise InputError("An augmentation is of one kind or more.", required=", ".join(KINDS), got="none")
    return tuple(kind for name, kind in KINDS.items() if name in names)


def ends_of(criterion: Criterion, good: str | None, bad: str | None) -> Ends:
    """The ends as given; where nothing is said, a binary scale's positive label is the bad one. Raises InputError."""
    positive = criterion.scale.positive
    if positive is not None and good is None and bad is None:
        negative = next(label for label in criterion.labels if label != positive)
        return Ends(good=negative, bad=positive)
    for label in (good, bad):
        if label is not None:
            criterion.check_label(label)
    if good is not None and good == bad:
        raise InputError("A good answer and a spoilt one differ.", required="two labels", got=shown(good))
    return Ends(good=good, bad=bad)


def check_fits(kind: Kind, criterion: Criterion, ends: Ends) -> None:
    """Raises InputError where the kind cannot be made of this criterion's rows."""
    if criterion.scale.kind == "multi-label":
        raise InputError(
            "Rows with several labels at once cannot be augmented.",
            required="a binary, categorical, ordinal or pairwise scale",
            got="a multi-label scale",
            next_step="make one criterion of each label",
        )
    required = _missing(kind, criterion)
    if required:
        raise InputError(
            f"The kind {kind.name!r} does not suit criterion {criterion.key!r}.",
            required=f"a criterion that reads {required}",
            got=f"reads {', '.join(criterion.reads)}, on a {criterion.scale.kind} scale",
            next_step="leave it out of --kind",
        )
    if needs_ends(kind, criterion) and (ends.good is None or ends.bad is None):
        raise InputError(
            f"The kind {kind.name!r} spoils good answers, and nothing tells which they are.",
            required=f"--good and --bad on a {criterion.scale.kind} scale, of {list(criterion.labels)}",
            got=f"good {shown(ends.good)}, bad {shown(ends.bad)}",
        )


def needs_ends(kind: Kind, criterion: Criterion) -> bool:
    """Whether the kind makes bad answers of good ones."""
    return kind.name == "corrupt" or (kind.name == "swap" and criterion.scale.kind != "pairwise")


def rewritten_field(kind: Kind, criterion: Criterion) -> Field | None:
    """The field that a language model writes anew; None where the criterion reads none that suits."""
    wanted = POLICY_FIELDS if kind.name == "policy-flip" else ("output", "input")
    return next((field for field in wanted if field in criterion.reads), None)


def _missing(kind: Kind, criterion: Criterion) -> str:
    """What the criterion would have to read; empty where it does."""
    reads, pairwise = set(criterion.reads), criterion.scale.kind == "pairwise"
    if kind.name == "swap" and pairwise:
        return "" if {"output_a", "output_b"} <= reads else "output_a and output_b"
    if kind.name == "swap":
        beside = reads & set(_ASKED_BESIDE)
        return "" if "output" in reads and beside else "an output beside what it answers (input, context or turns)"
    if kind.name == "reference-drop":
        return "" if "reference" in reads and len(reads) > 1 else "a reference beside other fields"
    if pairwise:
        return "one answer, not a pair of them"
    if kind.name == "policy-flip":
        judged = reads - set(POLICY_FIELDS)
        return "" if rewritten_field(kind, criterion) and judged else "a context or reference beside an answer"
    return "" if rewritten_field(kind, criterion) else "output or input"
