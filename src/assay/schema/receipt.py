"""Receipt: where synthetic rows came from, what they cost, and how far experts agreed with their labels.

A frozen dataset holds the receipts of all augmented rows in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.schema.example import Example
from assay.schema.ids import digest_json
from assay.schema.label import LabelSource
from assay.schema.records import to_jsonable

PROVENANCE = "augmentation"  # the key of an augmented example's meta: {"receipt": …, "kind": …, "parents": […]}


@dataclass(frozen=True, kw_only=True)
class Generator:
    """The language model that wrote the texts, and where it was asked."""

    model: str
    endpoint: str
    temperature: float


@dataclass(frozen=True, kw_only=True)
class KindReceipt:
    """One kind of an augmentation, as it was decided.

    `asked` derivatives became `made`, `unusable` and `copies`. Of the made ones `sampled` went to experts; `agreed` of
    their answers are the label that the text was made for. `agreement` holds the share that agreed and, where it is
    defined, Gwet's AC1 (name → value, low, high, n); `look` is the number of samples drawn of this kind, `confidence`
    the two-sided one of the share's interval. Kept where its lower bound reaches `floor`.
    """

    kind: str
    label_source: LabelSource
    prompt: str | None  # such as flip.v1; None where no language model was asked
    prompt_digest: str | None
    asked: int
    made: int
    unusable: int
    copies: int
    sampled: int
    agreed: int
    sample_digest: str  # SHA-256 over the sampled examples, the labels they were made for, and the experts' answers
    agreement: Mapping[str, Mapping[str, float]]
    look: int
    confidence: float
    floor: float
    kept: bool


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One augmentation. `kinds` holds those that were decided, `usd` what its calls have cost so far."""

    id: str  # advice-augment-3f2a91c0, by the digest of what was asked for
    criterion: str  # its key
    dataset: str  # whose train rows the texts were made from
    seed: int
    generator: Generator | None
    usd: float
    kinds: tuple[KindReceipt, ...]
    created_at: str

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return digest_json(to_jsonable(self))


def made_by(example: Example) -> tuple[str, str] | None:
    """The receipt and the kind behind an augmented example; None for any other."""
    found = _provenance(example)
    return None if found is None else (str(found["receipt"]), str(found["kind"]))


def parents_of(example: Example) -> tuple[str, ...]:
    """The ids of the examples that an augmented one was made from; none for any other."""
    found = _provenance(example)
    return () if found is None else tuple(str(parent) for parent in found["parents"])


def _provenance(example: Example) -> Mapping[str, Any] | None:
    """Where an augmented example comes from; a user's own column of that name is something else."""
    found = example.meta.get(PROVENANCE)
    if example.source != "synthetic" or not isinstance(found, Mapping):
        return None
    whole = found.keys() >= {"receipt", "kind", "parents"} and isinstance(found["parents"], list | tuple)
    return found if whole else None
