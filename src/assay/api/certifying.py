"""Certifying a judge's thresholds: rows drawn from production in, a child version with its certificate out.

Infeasible is an answer, not an error: `Certified.child` is None then, and `more_labels` says how many would do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from assay.api.loaded_judge import LoadedJudge
from assay.calibration.certificates import (
    CertificateSettings,
    Sample,
    Side,
    SideResult,
    certify,
    one_a_group,
    rows_needed,
    starting_threshold,
)
from assay.datasets.certification import CertificationRows
from assay.metrics.intervals import wilson
from assay.registry import Registry, Resolved
from assay.registry.children import add_child
from assay.schema.certificate import Certificate, CertifiedThreshold, Drawn, Sides
from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow
from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.schema.ids import digest_json
from assay.schema.judge_version import Decision, JudgeVersion
from assay.schema.label import LabelSource
from assay.schema.verdict import Failed

OnJudged = Callable[[int, int], None]  # rows judged, rows in all
_SIDES: dict[Sides, tuple[Side, ...]] = {
    "both": ("negative", "positive"),
    "negative": ("negative",),
    "positive": ("positive",),
}


@dataclass(frozen=True, kw_only=True)
class CertifyRequest:
    """What to certify, on which rows: those of a labelling queue, or imported ones whose drawing is stated."""

    risk: float = 0.05
    confidence: float = 0.95
    sides: Sides = "both"
    queue: str | None = None
    drawn: Drawn | None = None
    accept: tuple[LabelSource, ...] = ("expert",)

    def __post_init__(self) -> None:
        for name, value in (("--risk", self.risk), ("--confidence", self.confidence)):
            if not 0 < value < 1:
                raise InputError(f"{name} is a share.", required="a number between 0 and 1, exclusive", got=str(value))


@dataclass(frozen=True, kw_only=True)
class Certified:
    """How it ended. `child` and `certificate` are None where a side that was asked for is infeasible."""

    judge: str
    child: JudgeVersion | None
    certificate: Certificate | None
    sides: Mapping[Side, SideResult]
    rows_needed: Mapping[Side, int | None]  # of the sides that are infeasible
    rows: int
    failed: int  # rows that the judge could not judge: they are in no rate
    left_out: Mapping[str, int]

    @property
    def more_labels(self) -> int | None:
        """How many more production labels would probably do; None where certified, or where no number would."""
        known = [rows for rows in self.rows_needed.values() if rows is not None]
        return max(max(known) - self.rows, 1) if known and len(known) == len(self.rows_needed) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scored:
    """Examples that could be judged, their labels (None where nobody gave one) and positive probabilities."""

    examples: tuple[Example, ...]
    labels: tuple[str | None, ...]
    places: np.ndarray  # (m,) among all that were given
    probabilities: np.ndarray  # (m,)
    failed: int


def check_binary(version: JudgeVersion) -> None:
    """Raises InputError where a version has no threshold to certify."""
    if version.criterion.scale.positive is None or version.decision.threshold is None:
        raise InputError(
            "Two thresholds belong to a binary judge.",
            required="a binary criterion",
            got=f"a {version.criterion.scale.kind} scale",
        )


def certify_version(
    judge: LoadedJudge,
    rows: CertificationRows,
    calibration: Sequence[FrozenRow],
    request: CertifyRequest,
    on_judged: OnJudged | None = None,
) -> Certified:
    """Certify a judge on rows that it was not made from; `calibration` rows choose where the sequences begin.

    The child is not stored yet: `child` is its recipe. Raises InputError (not binary).
    """
    version = judge.version
    check_binary(version)
    places, weights = one_a_group(
        [example.id for example in rows.examples],
        [example.group or example.id for example in rows.examples],
        np.array(rows.weights),
    )
    asked = [rows.examples[place] for place in places]
    scored = _scored(judge, asked, [rows.labels[place] for place in places], on_judged)
    sample = _sample(scored, weights[scored.places], rows.max_weight, version.criterion)
    settings = _settings(judge, request, len(sample.weights), calibration)
    sides = certify(sample, settings)
    certificate = None
    if all(side.threshold is not None for side in sides.values()):
        certificate = _certificate(request, rows, scored, sample, sides)
    return Certified(
        judge=version.id,
        child=None if certificate is None else _child(version, certificate),
        certificate=certificate,
        sides=sides,
        rows_needed={
            side: rows_needed(sample, settings, side) for side, found in sides.items() if found.threshold is None
        },
        rows=len(sample.weights),
        failed=scored.failed,
        left_out={**rows.left_out, "of a group that another row stands for": len(rows.examples) - len(places)},
    )


def store_certified(registry: Registry, parent: Resolved, made: Certified, staging: Path) -> Certified:
    """Store the child of a certification that succeeded."""
    if made.child is None:
        return made
    changes = {"decision": made.child.decision, "certificate": made.certificate}
    return replace(made, child=add_child(registry, parent, changes, staging))


def _scored(
    judge: LoadedJudge, examples: Sequence[Example], labels: Sequence[str | None], on_judged: OnJudged | None
) -> _Scored:
    positive = judge.criterion.scale.positive or ""
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        if on_judged is not None:
            on_judged(done, len(examples))

    verdicts = list(judge.running.judge_many(examples, count))
    kept = [place for place, verdict in enumerate(verdicts) if not isinstance(verdict, Failed)]
    probabilities = [verdict.probabilities[positive] for verdict in verdicts if not isinstance(verdict, Failed)]
    return _Scored(
        examples=tuple(examples[place] for place in kept),
        labels=tuple(labels[place] for place in kept),
        places=np.array(kept, dtype=int),
        probabilities=np.array(probabilities, dtype=float),
        failed=len(verdicts) - len(kept),
    )


def _sample(scored: _Scored, weights: np.ndarray, max_weight: float, criterion: Criterion) -> Sample:
    if not len(scored.places):
        raise InputError("The judge could judge none of the rows.", got=f"{scored.failed} failed verdicts")
    return Sample(
        probabilities=scored.probabilities,
        positives=np.array([label == criterion.scale.positive for label in scored.labels]),
        weights=weights,
        unlabelled=np.array([label is None for label in scored.labels]),
        max_weight=max(max_weight, float(weights.max())),
    )


def _settings(
    judge: LoadedJudge, request: CertifyRequest, rows: int, calibration: Sequence[FrozenRow]
) -> CertificateSettings:
    settings = CertificateSettings(
        risk=request.risk,
        confidence=request.confidence,
        threshold=judge.version.decision.threshold or 0.0,
        sides=_SIDES[request.sides],
    )
    if not calibration:
        return settings
    targets = [row.target.value for row in calibration]
    scored = _scored(judge, [row.example for row in calibration], targets, None)
    positives = np.array([label == judge.criterion.scale.positive for label in scored.labels])
    starts = {
        side: starting_threshold(side, scored.probabilities, positives, rows, settings) for side in settings.sides
    }
    return replace(settings, starts=starts)


def _certificate(
    request: CertifyRequest,
    rows: CertificationRows,
    scored: _Scored,
    sample: Sample,
    sides: Mapping[Side, SideResult],
) -> Certificate:
    def shown(side: Side) -> CertifiedThreshold | None:
        found = sides.get(side)
        if found is None or found.threshold is None:
            return None
        return CertifiedThreshold(threshold=found.threshold, rows=found.rows, wrong=found.wrong, bound=found.bound)

    negative, positive = shown("negative"), shown("positive")
    decided = np.zeros(len(sample.weights), dtype=bool)
    decided |= sample.probabilities < (negative.threshold if negative else -np.inf)
    decided |= sample.probabilities >= (positive.threshold if positive else np.inf)
    share = float(sample.weights[decided].sum() / sample.weights.sum())
    effective = float(sample.weights.sum() ** 2 / (sample.weights**2).sum())  # Kish: equal weights give n
    interval = wilson(share * round(effective), max(round(effective), 1))
    return Certificate(
        risk=request.risk,
        confidence=request.confidence,
        sides=request.sides,
        drawn=rows.drawn,
        stated_by=rows.stated_by,
        method=f"{'exact binomial' if sample.equal_weights else 'betting'}, fixed sequence",
        rows=len(sample.weights),
        rows_digest=digest_json(sorted([e.id, label] for e, label in zip(scored.examples, scored.labels, strict=True))),
        negative=negative,
        positive=positive,
        decided_share=share,
        decided_share_low=interval.low,
        decided_share_high=interval.high,
    )


def _child(version: JudgeVersion, certificate: Certificate) -> JudgeVersion:
    """A side that was not asked for is escalated whole."""
    decision: Decision = replace(
        version.decision,
        abstain_low=certificate.negative.threshold if certificate.negative else 0.0,
        abstain_high=certificate.positive.threshold if certificate.positive else 1.0 + 1e-9,
    )
    return replace(version, decision=decision, certificate=certificate, parent=version.id)
