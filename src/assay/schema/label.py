"""Label: one opinion about one example. Target: the consensus of an example's labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from assay.schema.later_fields import later_field

LabelSource: TypeAlias = Literal["expert", "crowd", "author", "teacher", "user", "rule"]
LABEL_SOURCES: tuple[LabelSource, ...] = get_args(LabelSource)  # most trusted first
ADJUDICATION = "adjudication/"  # before the name of whoever decided a disagreement, with the other labels in view
UNDECIDED = ""  # the value of a target that no label decides


@dataclass(frozen=True, kw_only=True)
class Label:
    """One labeller's answer. `created_at` is an ISO 8601 date or time, None when unknown."""

    example_id: str
    value: str
    labeller: str
    source: LabelSource
    criterion: str  # criterion key, such as advice/1
    created_at: str | None = None
    explanation: str | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the labels of an example amount to.

    `source` is that of the deciding labels (the most trusted source present decides alone). `agreement` is the share
    of the deciding labels that gave `value`, in (0, 1]. `probabilities` holds the soft target, by label and summing to
    1, where the consensus weighed its labellers; empty where it was a majority (its votes then say as much).
    `value` is UNDECIDED where the labels are tied: such a target can teach by its shares, and is never tested on.
    """

    value: str
    source: LabelSource
    votes: Mapping[str, int]  # of the deciding source, by label
    agreement: float
    probabilities: Mapping[str, float] = later_field({})

    @property
    def decided(self) -> bool:
        """Whether a label came out."""
        return self.value != UNDECIDED
