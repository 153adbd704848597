"""JudgeVersion: the immutable recipe of a judge, named by the digest of everything that can change a verdict.

`judge.json` in the judge's folder is this record. Its digest covers every field but `created_at`, so equal recipes
have one name. A field that is added to it is a `later_field`: old judges keep their names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from assay.schema.certificate import Certificate
from assay.schema.criterion import Criterion, Field
from assay.schema.fallback import Escalation, Rung
from assay.schema.ids import digest_json, short
from assay.schema.later_fields import later_field, without_unused
from assay.schema.records import to_jsonable
from assay.schema.verdict import Action, Mode

Family: TypeAlias = Literal["encoder", "decoder"]
Method: TypeAlias = Literal["head", "lora", "alora", "full"]
Layout: TypeAlias = Literal["instruction-first", "content-first"]
Dtype: TypeAlias = Literal["float32", "bfloat16", "int8"]
UNDIGESTED = ("created_at",)
# where backbones lie on this machine: a backbone's name, or the first digits of its weights' digest → its folder
Places: TypeAlias = Mapping[str, Path]
NO_PLACES: Places = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class BackboneRef:
    """The frozen base model: where it came from and what it was."""

    name: str  # as the user gave it: minilm, a hub id, a folder
    revision: str | None
    architecture: str  # such as BertModel
    weights_digest: str  # SHA-256 over the digests of its weight files
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """How an example becomes tokens.

    `truncate` names the fields in the order in which they are cut when the window is full; the verdict's question is
    never cut.
    """

    template: str  # such as encoder.v1
    layout: Layout
    reads: tuple[Field, ...]
    max_tokens: int
    truncate: tuple[Field, ...]
    label_tokens: Mapping[str, int]  # decoder only: label → token id
    # decoder only: label → the text of its token, where that is not the label itself
    label_texts: Mapping[str, str] = later_field({})
    # activated LoRA: the tokens that the row's last segment begins with; the adapter is live from the first of them on
    invocation_tokens: tuple[int, ...] = later_field(())


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Raw scores → probabilities at the production base rate.

    `fitted_base_rate` is the weighted base rate of the rows it was fitted on, by label; `production_base_rate` the
    rate that probabilities are moved to.
    """

    calibrator: str  # such as temperature.v1
    parameters: Mapping[str, Any]
    fitted_base_rate: Mapping[str, float]
    production_base_rate: Mapping[str, float]
    rate_source: Literal["declared", "estimated", "unshifted"]
    rows: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Where a probability becomes a label.

    Binary: positive when its probability ≥ `threshold`. Other scales: the most probable label; `threshold` is None.
    `abstain_low`/`abstain_high` bound the abstention band of the positive probability; equal to each other when there
    is none.
    """

    threshold: float | None
    policy: str  # such as max-f1
    abstain_low: float | None = None
    abstain_high: float | None = None
    low_fpr_threshold: float | None = None  # for recall at 1 % false positives, chosen on `calibration`


@dataclass(frozen=True, kw_only=True)
class JudgeVersion:
    """The immutable recipe. `files` maps each file of the folder to its SHA-256."""

    name: str
    criterion: Criterion
    family: Family
    method: Method
    backbone: BackboneRef
    rendering: Rendering
    calibration: Calibration
    decision: Decision
    fallback: Action
    modes: tuple[Mode, ...]
    dtype: Dtype
    dataset: str
    dataset_digest: str
    training: Mapping[str, Any]  # settings and seed, not timings
    files: Mapping[str, str]
    parent: str | None
    created_at: str
    fallback_chain: tuple[Rung, ...] = later_field(())  # tried in order before `fallback` holds
    escalation: Escalation | None = later_field(None)
    certificate: Certificate | None = later_field(None)

    @cached_property  # a served verdict asks for it several times, and it takes a third of a millisecond
    def digest(self) -> str:
        """SHA-256 of the recipe."""
        values = without_unused(self, to_jsonable(self))
        return digest_json({name: value for name, value in values.items() if name not in UNDIGESTED})

    @property
    def id(self) -> str:
        """Such as `advice-3f2a91c0`."""
        return f"{self.name}-{short(self.digest)}"
