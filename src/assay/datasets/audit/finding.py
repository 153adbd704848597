"""Finding: one thing in a dataset that would mislead a judge, what it would do, and the command that mends it."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from assay.metrics.intervals import Estimate

Kind: TypeAlias = Literal[
    "length",
    "position",
    "source",
    "template",
    "punctuation",
    "language",
    "phrase",
    "features-model",
    "leakage",
    "contradiction",
    "near-duplicates",
    "label-noise",
    "agreement",
    "imbalance",
    "slice-imbalance",
    "missing",
    "personal-data",
]
SHORTCUTS: tuple[Kind, ...] = ("length", "position", "source", "template", "punctuation", "language", "phrase")
GRAVE, SERIOUS = 0.5, 0.2


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding. `harm` in [0, 1] ranks it: the share of a judge's apparent skill, or of its rows, that it puts in
    doubt. `command` mends it, or is the next step towards that.
    """

    kind: Kind
    title: str  # one sentence that says what is so
    harm: float
    why: str  # what it would do to the judge
    advice: str
    command: str
    estimate: Estimate | None = None
    rows: int = 0
    examples: tuple[str, ...] = field(default=())  # ids, some of them

    @property
    def weight(self) -> str:
        """grave, serious or minor."""
        return "grave" if self.harm >= GRAVE else "serious" if self.harm >= SERIOUS else "minor"


def ranked(findings: list[Finding]) -> list[Finding]:
    """The most harmful first."""
    return sorted(findings, key=lambda one: (-one.harm, one.kind, one.title))
