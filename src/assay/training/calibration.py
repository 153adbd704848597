"""Calibrating a freshly trained judge on the `calibration` split: scores → probabilities → production rate →
thresholds.

The scores come from the judge itself, through the path that will serve it. Nothing here sees `test`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.calibration.calibrators import Calibrator
from assay.calibration.choosing import choose_calibrator
from assay.calibration.policies import Policy, parse_policy
from assay.calibration.prior_shift import estimate_base_rates, importance_weights, label_rates, shift
from assay.calibration.thresholds import choose_threshold, low_fpr_threshold
from assay.judging.slm import SmallJudge, calibration_order
from assay.metrics.intervals import Estimate
from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow
from assay.schema.errors import InputError, RefusedError
from assay.schema.example import Example
from assay.schema.judge_version import Calibration, Decision
from assay.schema.verdict import Failed, Verdict

RateSource = Literal["declared", "estimated", "unshifted"]


@dataclass(frozen=True, kw_only=True)
class DecisionSettings:
    """How scores become decisions.

    `base_rate` overrides the criterion's declared one; `traffic` (unlabelled production examples) has it estimated
    instead, and then `base_rate` must not be given.
    """

    policy: str = "max-f1"
    base_rate: float | None = None
    traffic: tuple[Example, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """What a judge version needs besides its weights, and how the calibrators compared.

    `base_rates` holds each label's estimated share in production with its interval; empty where none was estimated.
    """

    calibration: Calibration
    decision: Decision
    candidates: Mapping[str, Mapping[str, float]]
    base_rates: Mapping[str, Estimate]


def uncalibrated(criterion: Criterion) -> tuple[Calibration, Decision]:
    """Placeholders for a judge that is to be calibrated: its scores are taken as they are."""
    rate = {label: 1 / len(criterion.labels) for label in criterion.labels}
    calibration = Calibration(
        calibrator="identity",
        parameters={},
        fitted_base_rate=rate,
        production_base_rate=rate,
        rate_source="unshifted",
        rows=0,
    )
    return calibration, Decision(threshold=0.5 if criterion.scale.positive else None, policy="0.5")


def check_decision(settings: DecisionSettings, criterion: Criterion) -> Policy:
    """The parsed policy, if policy and base rate suit the criterion. Raises InputError; call it before a long
    training.
    """
    if settings.base_rate is not None and (criterion.scale.positive is None or not 0 < settings.base_rate < 1):
        raise InputError(
            "A base rate is the positive share of a binary criterion.",
            required="a number between 0 and 1, exclusive",
            got=f"{settings.base_rate!r} on a {criterion.scale.kind} scale",
        )
    if settings.base_rate is not None and settings.traffic:
        raise InputError(
            "The base rate is either declared or estimated.",
            required="a base rate or traffic",
            got=f"{settings.base_rate!r} and {len(settings.traffic):,} examples of traffic",
        )
    return parse_policy(settings.policy)


def calibrate(judge: SmallJudge, rows: Sequence[FrozenRow], settings: DecisionSettings, seed: int = 0) -> Calibrated:
    """Fit on the rows of the `calibration` split. Raises RefusedError, InputError."""
    criterion = judge.criterion
    order = calibration_order(criterion)
    labels = [criterion.labels[place] for place in order]
    policy = check_decision(settings, criterion)
    scores = scores_of(judge, [row.example for row in rows])[:, order]
    targets = np.array([labels.index(row.target.value) for row in rows])
    weights = np.array([row.example.weight for row in rows])
    chosen = choose_calibrator(scores, targets, weights, [row.component for row in rows], seed=seed)
    fitted = label_rates(targets, len(labels), weights)
    production, source, estimated = _production_rates(judge, settings, fitted, chosen.calibrator)
    decision = Decision(threshold=None, policy=str(policy))
    if criterion.scale.positive is not None:
        positive = shift(chosen.calibrator.apply(scores), fitted, production)[:, -1]
        at_production = weights * importance_weights(targets, fitted, production)
        decision = Decision(
            threshold=choose_threshold(positive, targets == 1, at_production, policy).value,
            policy=str(policy),
            low_fpr_threshold=low_fpr_threshold(positive, targets == 1),
        )
    calibration = Calibration(
        calibrator=chosen.name,
        parameters=dict(chosen.calibrator.parameters),
        fitted_base_rate=dict(zip(labels, fitted.tolist(), strict=True)),
        production_base_rate=dict(zip(labels, production.tolist(), strict=True)),
        rate_source=source,
        rows=len(rows),
    )
    candidates = {name: dataclasses.asdict(score) for name, score in chosen.candidates.items()}
    by_label = dict(zip(labels, estimated, strict=True)) if estimated else {}
    return Calibrated(calibration=calibration, decision=decision, candidates=candidates, base_rates=by_label)


def scores_of(judge: SmallJudge, examples: Sequence[Example]) -> np.ndarray:  # (n, k)
    """The judge's raw scores, in the order of the scale. Raises RefusedError when an example cannot be judged."""
    return np.array([_scores(verdict, judge.criterion.labels) for verdict in judge.judge_many(examples)])


def _scores(verdict: Verdict, labels: Sequence[str]) -> list[float]:
    if isinstance(verdict, Failed):
        raise RefusedError(
            "An example of the calibration data cannot be judged.",
            got=verdict.reason,
            next_step="remove the row and freeze again",
        )
    return [verdict.scores[label] for label in labels]


def _production_rates(
    judge: SmallJudge, settings: DecisionSettings, fitted: np.ndarray, fitted_calibrator: Calibrator
) -> tuple[np.ndarray, RateSource, tuple[Estimate, ...]]:
    """The rate of each label in production: estimated on traffic (then with intervals), declared, or unknown (then the
    fitted one).
    """
    criterion = judge.criterion
    if settings.traffic:
        scores = _traffic_scores(judge, settings.traffic)[:, calibration_order(criterion)]
        rates = estimate_base_rates(fitted_calibrator.apply(scores), fitted).rates
        shares = np.array([rate.value for rate in rates])
        return shares / shares.sum(), "estimated", rates
    declared = settings.base_rate if settings.base_rate is not None else criterion.base_rate
    if declared is None:
        return fitted, "unshifted", ()
    return np.array([1 - declared, declared]), "declared", ()


def _traffic_scores(judge: SmallJudge, traffic: Sequence[Example]) -> np.ndarray:  # (m, k)
    """Scores of the traffic that can be judged. Raises RefusedError where none can."""
    verdicts = [verdict for verdict in judge.judge_many(traffic) if not isinstance(verdict, Failed)]
    if not verdicts:
        raise RefusedError(
            "The base rate cannot be estimated: the judge can answer none of the traffic.",
            required="examples with text in the fields that the criterion reads",
            got=f"{len(traffic):,} examples without",
        )
    return np.array([_scores(verdict, judge.criterion.labels) for verdict in verdicts])
