"""The measures of the whole test split, all from the decided rows.

Ranking measures and the confusion matrix use the probabilities that the judge gave, which stand at the production base
rate. Brier score and calibration error are taken at the test split's own rate (`at_own_rate`): the shift to production
is undone first, or a rightly shifted judge would look badly calibrated on a test set richer in positives than
production is.
"""

from collections.abc import Mapping

import numpy as np

from assay.calibration.prior_shift import shift
from assay.metrics.accuracy import RecallAtFpr, binary_metrics, expected_precision, recall_at_fpr
from assay.metrics.curves import PrecisionRecallPoint, precision_recall_curve, risk_coverage
from assay.metrics.intervals import Estimate
from assay.metrics.multiclass import multiclass_metrics
from assay.metrics.reliability import CalibrationError, brier, brier_change, calibration_error, top_label
from assay.schema.judge_version import Calibration
from assay.validation.outcomes import Outcomes
from assay.validation.report import BaseRates, Curves, Measures


def measures_of(outcomes: Outcomes, own_rate: np.ndarray) -> tuple[Measures, dict[str, Measures]]:
    """All measures by name, and per label (empty for binary scales). `own_rate` (n, k): probabilities at the test's
    rate.
    """
    if outcomes.binary:
        positive = outcomes.positive
        truth, scores = outcomes.truth == positive, outcomes.probabilities[:, positive]
        found = binary_metrics(truth, outcomes.predicted == positive, scores, outcomes.resampling)
        before, after = outcomes.uncalibrated[:, positive], own_rate[:, positive]
        return found | {
            "brier": brier(truth, after, outcomes.resampling),
            "brier_change": brier_change(truth, before, after, outcomes.resampling),
        }, {}
    several = multiclass_metrics(
        outcomes.truth,
        outcomes.predicted,
        outcomes.criterion.labels,
        ordinal=outcomes.criterion.scale.kind == "ordinal",
        resampling=outcomes.resampling,
    )
    measures: dict[str, Estimate | None] = {
        "accuracy": several.accuracy,
        "macro_f1": several.macro_f1,
        "kappa": several.kappa,
        "brier": brier(outcomes.truth, own_rate, outcomes.resampling),
        "brier_change": brier_change(outcomes.truth, outcomes.uncalibrated, own_rate, outcomes.resampling),
    }
    if outcomes.criterion.scale.kind == "ordinal":
        measures |= {"weighted_kappa": several.weighted_kappa, "mean_absolute_error": several.mean_absolute_error}
    return measures, {label: dict(of_label) for label, of_label in several.per_label.items()}


def at_own_rate(outcomes: Outcomes, calibration: Calibration, test_rates: Mapping[str, float]) -> np.ndarray:  # (n, k)
    """The judge's probabilities moved from the production base rate to that of the whole test split.

    For two labels odds × [π/(1−π)]·[(1−π′)/π′], π the test's rate and π′ the production rate. They are left as they are
    where a label does not occur in the test split: no odds lead there.
    """
    labels = outcomes.criterion.labels
    test = np.array([test_rates[label] for label in labels])
    if not (test > 0).all():
        return outcomes.probabilities
    return shift(outcomes.probabilities, [calibration.production_base_rate[label] for label in labels], test)


def calibration_of(outcomes: Outcomes, own_rate: np.ndarray) -> CalibrationError:
    """ECE with its bins: of the positive label's probability, or of the most probable label's among several."""
    if outcomes.binary:
        confidence, hits = own_rate[:, outcomes.positive], outcomes.truth == outcomes.positive
    else:
        confidence, hits = top_label(outcomes.truth, own_rate)
    return calibration_error(confidence, hits, outcomes.resampling)


def low_fpr_recall(outcomes: Outcomes, threshold: float | None) -> RecallAtFpr | None:
    """Recall at the threshold that gave 1 % false positives on `calibration`; None where that cannot be seen here."""
    if threshold is None or not outcomes.binary:
        return None
    scores = outcomes.probabilities[:, outcomes.positive]
    return recall_at_fpr(outcomes.truth == outcomes.positive, scores, threshold, outcomes.resampling)


def production_precision(measures: Measures, rates: BaseRates, positive: str | None, seed: int) -> Estimate | None:
    """Precision to expect at the production base rate; None where that is unknown or nothing is called positive."""
    sensitivity, specificity = measures.get("recall"), measures.get("specificity")
    if positive is None or not rates.known or sensitivity is None or specificity is None:
        return None
    if sensitivity.value == 0 and specificity.value == 1:
        return None
    return expected_precision(sensitivity, specificity, rates.production[positive], seed=seed)


def curves_of(outcomes: Outcomes) -> Curves:
    """Points for the precision-recall and the risk-coverage picture."""
    right = outcomes.truth == outcomes.predicted
    points: tuple[PrecisionRecallPoint, ...] = ()
    if outcomes.binary and (outcomes.truth == outcomes.positive).any():
        truth = outcomes.truth == outcomes.positive
        points = precision_recall_curve(truth, outcomes.probabilities[:, outcomes.positive])
    return Curves(precision_recall=points, risk_coverage=risk_coverage(outcomes.margin, right, outcomes.resampling))


def confusion_of(outcomes: Outcomes) -> tuple[tuple[int, ...], ...]:  # (k, k)
    """Rows counted by truth (down) and answer (across), in the order of the scale."""
    k = len(outcomes.criterion.labels)
    counts = np.bincount(outcomes.truth * k + outcomes.predicted, minlength=k * k).reshape(k, k)
    return tuple(tuple(row) for row in counts.tolist())
