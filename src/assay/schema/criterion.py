"""Criterion: one question with a scale, worded guidance and a version.

A criterion lives in `criteria/<name>.toml`, in git. Labels, datasets and judges are bound to its `key` (name and
version) and to its `digest` (every word of what is asked and answered).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from assay.schema.errors import InputError, shown
from assay.schema.ids import digest_json
from assay.schema.later_fields import later_field, without_unused
from assay.schema.records import read_toml, record_from, to_jsonable

ScaleKind: TypeAlias = Literal["binary", "categorical", "multi-label", "ordinal", "pairwise"]
JudgedLevel: TypeAlias = Literal["span", "trace", "session"]
Field: TypeAlias = Literal["input", "output", "context", "reference", "turns", "output_a", "output_b"]

MIN_LEVELS = 2
UNDIGESTED = ("carries_over", "agreement_floor")  # may be declared or changed after labels were given


@dataclass(frozen=True, kw_only=True)
class Level:
    """One answer of a scale and when to give it."""

    label: str
    guidance: str = ""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The possible answers. Levels of an ordinal scale stand in ascending order."""

    kind: ScaleKind
    levels: tuple[Level, ...]
    positive: str | None = None

    def __post_init__(self) -> None:
        labels = [level.label for level in self.levels]
        if len(labels) < MIN_LEVELS or len(set(labels)) != len(labels):
            raise InputError(
                "A scale needs distinct levels.", required="two or more different labels", got=shown(labels)
            )
        if self.kind == "binary" and (len(labels) != MIN_LEVELS or self.positive not in labels):
            raise InputError(
                "A binary scale has two levels and names its positive one.",
                required='two levels and positive = "<one of them>"',
                got=f"labels {shown(labels)}, positive {shown(self.positive)}",
            )
        if self.kind != "binary" and self.positive is not None:
            raise InputError("Only a binary scale has a positive level.", got=f"positive {shown(self.positive)}")

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in the order of the levels."""
        return tuple(level.label for level in self.levels)


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One question that judges answer.

    `reads` names the fields of an example that a judge sees, in reading order. `base_rate` is the declared share of
    the positive label in production (binary only); None means that it is not known. `carries_over` says which labels
    given under an older version still hold: older version → its label → the label here; what is not named must be
    labelled anew. `agreement_floor`: training refuses a dataset whose labellers' α may lie below it.
    """

    name: str
    version: str
    question: str
    reads: tuple[Field, ...]
    scale: Scale
    level: JudgedLevel = "span"
    base_rate: float | None = None
    description: str = ""
    carries_over: Mapping[str, Mapping[str, str]] = later_field({})
    agreement_floor: float | None = later_field(None)

    def __post_init__(self) -> None:
        self._check_later_fields()
        if not self.name or not all(char.isalnum() or char == "_" for char in self.name) or not self.name.isascii():
            raise InputError(
                "A criterion's name stands in file and judge names.",
                required="letters, digits and '_'",
                got=shown(self.name),
            )
        if not self.reads or len(set(self.reads)) != len(self.reads):
            raise InputError("A criterion reads one or more different fields.", got=f"reads = {shown(self.reads)}")
        if self.base_rate is not None and (self.scale.kind != "binary" or not 0 < self.base_rate < 1):
            raise InputError(
                "base_rate is the positive share of a binary scale.",
                required="a number between 0 and 1, exclusive",
                got=f"{self.base_rate!r} on a {self.scale.kind} scale",
            )

    @property
    def key(self) -> str:
        """Name and version, such as `advice/1`."""
        return f"{self.name}/{self.version}"

    @property
    def digest(self) -> str:
        """SHA-256 of what is asked and answered: everything but what is said about labels that exist already."""
        values = without_unused(self, to_jsonable(self))
        return digest_json({name: value for name, value in values.items() if name not in UNDIGESTED})

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in the order of the scale."""
        return self.scale.labels

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "criterion") -> Self:
        """Parse plain values; unknown fields are refused. Raises InputError."""
        return record_from(cls, values, where=where)

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read a criterion file. Raises NotFoundError, InputError."""
        return cls.from_dict(read_toml(path), where=str(path))

    def _check_later_fields(self) -> None:
        if self.version in self.carries_over:
            raise InputError(
                "A criterion carries labels over from older versions, not from itself.",
                required=f"[carries_over.OLDER], where OLDER is not {self.version!r}",
                got=shown(list(self.carries_over)),
            )
        for version, labels in self.carries_over.items():
            if not set(labels.values()) <= set(self.labels):
                raise InputError(
                    f"A label carried over from version {version!r} is not on the scale.",
                    required=f"one of {list(self.labels)}",
                    got=shown(sorted(set(labels.values()) - set(self.labels))),
                )
        if self.agreement_floor is not None and not -1 <= self.agreement_floor < 1:
            raise InputError(
                "agreement_floor bounds Krippendorff's α.",
                required="a number from -1 to below 1",
                got=shown(self.agreement_floor),
            )

    def check_label(self, label: object) -> str:
        """The label itself if it is on the scale. Raises InputError."""
        if isinstance(label, str) and label in self.labels:
            return label
        raise InputError(
            f"A label is not on the scale of criterion {self.key!r}.",
            required=f"one of {list(self.labels)}",
            got=shown(label),
            next_step="map it (--map-label FROM=TO) or correct the row",
        )
