"""The gates: what a judge must show before it may be promoted, and whether it has.

    rules = GateRules.from_mapping(settings["gates"])      # the [gates] table of assay.toml
    decision = decide(report, rules)                       # decision.passed, decision.because

Scores and differences go by the lower bound of their interval, so a small test set does not pass by luck. It promotes
nothing: the registry does, and asks for a waiver in words where a gate failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from assay.metrics.intervals import Estimate
from assay.schema.errors import InputError, shown
from assay.schema.gate import Gate, GateDecision
from assay.schema.records import record_from
from assay.validation.plain_text import plain
from assay.validation.report import Contender, Report
from assay.validation.wording import apart, interval, measure_name, number, percent, span, whose

AGREEMENT = "krippendorff_alpha"
QUANTISED = ("int8",)


@dataclass(frozen=True, kw_only=True)
class GateRules:
    """What is required. Shares and scores lie in [0, 1]; a `bool` set to false leaves that gate out.

    `min_f1` is of F1 on binary scales, of macro-F1 on others. `min_expected_precision` is asked only where a production
    base rate is declared or estimated. The last three are a quantised child's budget: the share of test rows that it
    answers otherwise than its parent, the loss of F1, and the upper bound of that loss.
    """

    min_expert_test_rows_per_class: int = 100
    min_agreement: float = 0.60
    min_f1: float = 0.80
    beats_bag_of_words: bool = True
    beats_majority: bool = True
    calibrated: bool = True
    max_failed_share: float = 0.01
    min_coverage: float = 0.50  # below this the other gates speak of the easy rows only
    min_expected_precision: float = 0.25  # of four flags one is real: below it people stop reading flags
    max_flips: float = 0.02  # quantised children, against their parent
    max_f1_loss: float = 0.01
    max_f1_loss_bound: float = 0.03

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is float and not 0 <= value <= 1:
                raise InputError(
                    f"[gates] {field.name} is a share or a score.", required="a number from 0 to 1", got=shown(value)
                )
        if self.min_expert_test_rows_per_class < 0:
            raise InputError(
                "[gates] min_expert_test_rows_per_class counts rows.",
                required="0 or more",
                got=shown(self.min_expert_test_rows_per_class),
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, where: str = "assay.toml [gates]") -> Self:
        """Rules from a settings table; what is not named keeps its default. Raises InputError, with a did-you-mean."""
        return record_from(cls, values, where=where)


def decide(report: Report, rules: GateRules | None = None) -> GateDecision:
    """Measure a report against the rules: every gate with what was required, what was measured and why."""
    rules = rules or GateRules()
    gates = [
        _expert_labels(report, rules.min_expert_test_rows_per_class),
        _agreement(report, rules.min_agreement),
        _accuracy(report, rules.min_f1),
    ]
    if rules.beats_bag_of_words:
        gates.append(_beats(report, "bag-of-words", "counting words"))
    if rules.beats_majority:
        gates.append(_beats(report, "majority", "always giving the commonest answer"))
    if rules.calibrated:
        gates.append(_calibrated(report))
    gates += [_failures(report, rules.max_failed_share), _coverage(report, rules.min_coverage)]
    if report.base_rates.known and report.criterion.scale.kind == "binary":
        gates.append(_expected_precision(report, rules.min_expected_precision))
    if report.judge.dtype in QUANTISED:
        gates += [_flips(report, rules.max_flips), _f1_loss(report, rules)]
    return GateDecision(judge=report.judge.id, dataset=report.dataset.id, gates=tuple(gates))


def _expert_labels(report: Report, required: int) -> Gate:
    by_class = {label: sources.get("expert", 0) for label, sources in report.dataset.test_sources.items()}
    fewest, waived = min(by_class.values()), report.dataset.waiver is not None
    scarcest = plain(next(label for label, rows in by_class.items() if rows == fewest), limit=40)
    deciding = dict(report.dataset.deciding_sources.get("test", {}))
    if waived and fewest >= required:
        why = "the freeze accepted less than expert labels and a full test set: a waiver stands in the dataset"
    elif waived and not deciding.get("expert"):
        why = f"the test labels are {whose(deciding)}, not experts’: waived at the freeze"
    elif waived:
        why = f"experts decided only {fewest:,} test rows of “{scarcest}”: waived at the freeze"
    elif fewest < required:
        why = f"experts decided {fewest:,} test rows of “{scarcest}”; {required:,} are required"
    else:
        why = f"experts decided at least {fewest:,} test rows of each class"
    return Gate(
        name="expert-labels",
        required=f"≥ {required:,} test rows of each class decided by an expert, no waiver",
        measured=float(fewest),
        low=None,
        high=None,
        passed=fewest >= required and not waived,
        why=why,
    )


def _agreement(report: Report, required: float) -> Gate:
    found = report.dataset.agreement.get(AGREEMENT)
    wanted = f"Krippendorff’s α between labellers, lower bound ≥ {number(required)}"
    if found is None:
        why = "nobody has measured whether two people agree on these labels: no example has two labellers"
        return _unmeasured("labeller-agreement", wanted, why)
    low, high = float(found["low"]), float(found["high"])
    passed = low >= required
    words = f"α = {number(found['value'])} ({span(low, high)})"
    why = (
        f"people who labelled the same examples agree well enough: {words}"
        if passed
        else f"people who labelled the same examples may agree too little ({words}) for a judge to learn from them"
    )
    return Gate(
        name="labeller-agreement",
        required=wanted,
        measured=float(found["value"]),
        low=low,
        high=high,
        passed=passed,
        why=why,
    )


def _accuracy(report: Report, required: float) -> Gate:
    name = measure_name(report.main_measure)
    wanted = f"{name} on the test rows, lower bound ≥ {number(required)}"
    found = report.measures.get(report.main_measure)
    if found is None:
        return _unmeasured("accuracy", wanted, f"{name} is undefined: no row of the class was there to be found")
    passed = found.low >= required
    lowest, least = apart(found.low, required)
    why = (
        f"{name} is {interval(found)}, at least {number(required)} at its lower bound"
        if passed
        else f"{name} is {interval(found)}: it may be as low as {lowest}, and {least} is required"
    )
    return _measured("accuracy", wanted, found, passed=passed, why=why)


def _beats(report: Report, contender: str, doing: str) -> Gate:
    name, measure = f"beats-{contender}", measure_name(report.main_measure)
    wanted = f"{measure} minus that of the {contender} baseline, lower bound > 0"
    other: Contender | None = report.contender(contender)
    difference = None if other is None else other.differences.get(report.main_measure)
    if difference is None:
        return _unmeasured(name, wanted, f"the {contender} baseline could not be measured on these rows")
    passed = difference.low > 0
    by = f"{number(abs(difference.value))} ({span(difference.low, difference.high)})"
    if passed:
        why = f"it is better than {doing}, by {by} of {measure}"
    else:
        why = f"it is not shown to be better than {doing}: the difference in {measure} is {interval(difference)}"
    return _measured(name, wanted, difference, passed=passed, why=why)


def _calibrated(report: Report) -> Gate:
    found = report.calibration
    passed = found.within_perfect
    ece, bound = apart(found.ece.value, found.perfect_q95)
    why = (
        f"its probabilities mean what they say: off by {ece} on average, and up to {bound} is chance at this size"
        if passed
        else f"its probabilities are off by {ece} on average, more than chance explains at this size (up to {bound})"
    )
    return _measured(
        "calibrated",
        f"expected calibration error ≤ {bound}, the 95 % quantile of a perfectly calibrated judge on these rows",
        found.ece,
        passed=passed,
        why=why,
    )


def _failures(report: Report, allowed: float) -> Gate:
    answers = report.answers
    passed = answers.failed_share.value <= allowed
    count = (
        f"it failed to answer {answers.failed:,} of {answers.rows:,} test rows ({percent(answers.failed_share.value)})"
    )
    why = count if passed else f"{count}; at most {percent(allowed)} is allowed"
    return _measured("failures", f"failed verdicts ≤ {percent(allowed)}", answers.failed_share, passed=passed, why=why)


def _coverage(report: Report, required: float) -> Gate:
    answers = report.answers
    passed = answers.coverage.value >= required
    share = percent(answers.coverage.value)
    why = (
        f"it decided {share} of the rows and left {answers.abstained:,} undecided"
        if passed
        else f"it left {answers.abstained:,} rows undecided and decided only {share}: its figures are of the easy rows"
    )
    return _measured("coverage", f"decided ≥ {percent(required)} of the rows", answers.coverage, passed=passed, why=why)


def _expected_precision(report: Report, required: float) -> Gate:
    wanted = f"expected precision at the production base rate, lower bound ≥ {percent(required)}"
    found: Estimate | None = report.expected_precision
    if found is None:
        return _unmeasured("expected-precision", wanted, "it flagged nothing, so there is no precision to expect")
    passed = found.low >= required
    share = f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"
    words = f"in production {share} of its flags would be real"
    why = words if passed else f"{words}; the lower bound must be {percent(required)} or more"
    return _measured("expected-precision", wanted, found, passed=passed, why=why)


def _flips(report: Report, allowed: float) -> Gate:
    wanted = f"answers that differ from the parent’s ≤ {percent(allowed)}"
    child = report.against_parent
    if child is None:
        return _unmeasured("few-flips", wanted, "it has not been compared with the judge that it was quantised from")
    passed = child.flips.value <= allowed
    share = f"{percent(child.flips.value)} ({percent(child.flips.low)} to {percent(child.flips.high)})"
    words = f"it answers {share} of the test rows otherwise than {child.parent}"
    why = words if passed else f"{words}; at most {percent(allowed)} is allowed"
    return _measured("few-flips", wanted, child.flips, passed=passed, why=why)


def _f1_loss(report: Report, rules: GateRules) -> Gate:
    name = measure_name(report.main_measure)
    wanted = f"{name} lost against the parent ≤ {rules.max_f1_loss:g}, upper bound ≤ {rules.max_f1_loss_bound:g}"
    loss = None if report.against_parent is None else report.against_parent.f1_loss
    if loss is None:
        return _unmeasured("keeps-f1", wanted, f"what quantising cost in {name} could not be measured")
    passed = loss.value <= rules.max_f1_loss and loss.high <= rules.max_f1_loss_bound
    words = f"quantising cost {loss.value:+.3f} of {name} ({loss.low:+.3f} to {loss.high:+.3f})"
    limit = f"; at most {rules.max_f1_loss:g}, and {rules.max_f1_loss_bound:g} at the upper bound, is allowed"
    return _measured("keeps-f1", wanted, loss, passed=passed, why=words if passed else words + limit)


def _measured(name: str, required: str, found: Estimate, *, passed: bool, why: str) -> Gate:
    return Gate(
        name=name, required=required, measured=found.value, low=found.low, high=found.high, passed=passed, why=why
    )


def _unmeasured(name: str, required: str, why: str) -> Gate:
    return Gate(name=name, required=required, measured=None, low=None, high=None, passed=False, why=why)
