from dataclasses import replace

import pytest
from simulated_judge import binary_criterion, ordinal_criterion, scene_of

from assay.metrics.intervals import Estimate, wilson
from assay.schema.dataset import Waiver
from assay.schema.errors import InputError
from assay.validation.evaluate import evaluate
from assay.validation.gates import GateRules, decide

WAIVER = Waiver(accept_labels=("expert", "author"), min_test_per_class=50)


def measured(scene):
    return evaluate(scene.judge, scene.version, scene.dataset, scene.rows)


@pytest.fixture(scope="module")
def good():
    """A strong judge on expert labels; everything should pass."""
    return measured(scene_of(binary_criterion(), production={"education": 0.9, "advice": 0.1}, strength=4.0))


def gate(report, name, rules=None):
    return next(gate for gate in decide(report, rules).gates if gate.name == name)


def estimate(value, low, high):
    return Estimate(value=value, low=low, high=high, n=100, method="by hand")


def test_a_strong_judge_on_expert_labels_passes(good):
    decision = decide(good)
    assert decision.passed, decision.because
    assert [gate.name for gate in decision.gates] == [
        "expert-labels",
        "labeller-agreement",
        "accuracy",
        "beats-bag-of-words",
        "beats-majority",
        "calibrated",
        "failures",
        "coverage",
        "expected-precision",
    ]
    assert (decision.judge, decision.dataset) == (good.judge.id, good.dataset.id)


def test_author_labels_never_pass_the_waiver_or_not():
    for waiver in (None, WAIVER):
        report = measured(scene_of(binary_criterion(), n=1200, source="author", waiver=waiver, strength=4.0))
        found = gate(report, "expert-labels")
        assert not found.passed
        assert found.measured == 0
    assert found.why == "the test labels are the author’s, not experts’: waived at the freeze"
    assert found.why in decide(report).because


def test_a_waiver_fails_the_gate_even_where_expert_rows_would_do(good):
    waived = replace(good, dataset=replace(good.dataset, waiver=WAIVER))
    assert not gate(waived, "expert-labels").passed
    assert "waiver" in gate(waived, "expert-labels").why


def test_the_scarcest_class_counts(good):
    sources = {"education": {"expert": 500}, "advice": {"expert": 99, "crowd": 400}}
    few = replace(good, dataset=replace(good.dataset, test_sources=sources))
    found = gate(few, "expert-labels")
    assert (found.passed, found.measured) == (False, 99)
    assert found.why == "experts decided 99 test rows of “advice”; 100 are required"
    assert gate(few, "expert-labels", GateRules(min_expert_test_rows_per_class=99)).passed


@pytest.mark.parametrize(("low", "passed"), [(0.60, True), (0.599, False)])
def test_agreement_goes_by_its_lower_bound(good, low, passed):
    agreement = {"krippendorff_alpha": {"value": 0.7, "low": low, "high": 0.8, "n": 150.0}}
    assert (
        gate(replace(good, dataset=replace(good.dataset, agreement=agreement)), "labeller-agreement").passed is passed
    )


def test_unmeasured_agreement_is_not_passed(good):
    found = gate(replace(good, dataset=replace(good.dataset, agreement={})), "labeller-agreement")
    assert (found.passed, found.measured) == (False, None)
    assert "no example has two labellers" in found.why


@pytest.mark.parametrize(("low", "passed"), [(0.80, True), (0.7999, False)])
def test_accuracy_goes_by_its_lower_bound(good, low, passed):
    report = replace(good, measures={**good.measures, "f1": estimate(0.9, low, 0.95)})
    assert gate(report, "accuracy").passed is passed


@pytest.mark.parametrize(("low", "passed"), [(0.001, True), (0.0, False), (-0.02, False)])
def test_the_baselines_must_be_beaten_with_an_interval_above_zero(good, low, passed):
    contenders = tuple(replace(other, differences={"f1": estimate(0.05, low, 0.1)}) for other in good.contenders)
    report = replace(good, contenders=contenders)
    assert gate(report, "beats-bag-of-words").passed is passed
    assert gate(report, "beats-majority").passed is passed


def test_a_missing_baseline_is_not_passed(good):
    found = gate(replace(good, contenders=()), "beats-bag-of-words")
    assert (found.passed, found.measured) == (False, None)


def test_calibration_is_held_to_what_chance_explains(good):
    worse = replace(good.calibration, ece=estimate(good.calibration.perfect_q95 + 1e-6, 0.0, 0.2))
    assert gate(good, "calibrated").passed
    assert not gate(replace(good, calibration=worse), "calibrated").passed


def test_an_over_confident_judge_is_caught():
    scene = scene_of(binary_criterion(), strength=2.0)
    bold = replace(scene.version, decision=scene.version.decision)

    class Bold:
        id, criterion = bold.id, bold.criterion

        def judge_many(self, examples):
            for verdict in scene.judge.judge_many(examples):
                raw = {label: p**3 for label, p in verdict.probabilities.items()}
                shares = {label: p / sum(raw.values()) for label, p in raw.items()}
                yield replace(verdict, probabilities=shares, probability=shares[verdict.label])

    report = evaluate(Bold(), bold, scene.dataset, scene.rows)
    assert gate(measured(scene), "calibrated").passed
    assert not gate(report, "calibrated").passed


@pytest.mark.parametrize(("failed", "passed"), [(10, True), (11, False)])
def test_one_percent_may_fail(good, failed, passed):
    answers = replace(good.answers, rows=1000, failed=failed, failed_share=wilson(failed, 1000))
    assert gate(replace(good, answers=answers), "failures").passed is passed


def test_a_judge_that_ducks_the_hard_rows_is_caught(good):
    answers = replace(good.answers, decided=100, abstained=200, coverage=wilson(100, 300))
    assert not gate(replace(good, answers=answers), "coverage").passed


def test_expected_precision_is_asked_only_where_a_rate_is_known(good):
    unknown = replace(good, base_rates=replace(good.base_rates, source="unshifted"))
    assert "expected-precision" not in [gate.name for gate in decide(unknown).gates]
    flagless = replace(good, expected_precision=None)
    assert not gate(flagless, "expected-precision").passed
    rare = replace(good, expected_precision=estimate(0.4, 0.24, 0.6))
    assert not gate(rare, "expected-precision").passed
    assert gate(rare, "expected-precision", GateRules(min_expected_precision=0.2)).passed


def test_ordinal_scales_go_by_macro_f1():
    report = measured(scene_of(ordinal_criterion(), n=800, strength=6.0))
    assert "Macro-F1" in gate(report, "accuracy").why
    assert gate(report, "accuracy").measured == report.measures["macro_f1"].value


def test_reasons_are_single_clauses(good):
    for rules in (GateRules(), GateRules(min_f1=1.0, min_agreement=1.0, min_coverage=1.0)):
        for found in decide(good, rules).gates:
            assert not found.why.endswith(".")
            assert found.why[0].islower() or found.why.startswith(("F1", "Macro-F1"))


def test_a_gate_can_be_left_out(good):
    names = [gate.name for gate in decide(good, GateRules(beats_majority=False, calibrated=False)).gates]
    assert not {"beats-majority", "calibrated"} & set(names)


def test_rules_from_settings():
    assert GateRules.from_mapping({}) == GateRules()
    assert GateRules.from_mapping({"min_f1": 0.7}).min_f1 == 0.7
    with pytest.raises(InputError, match="did you mean 'min_f1'"):
        GateRules.from_mapping({"min_f": 0.7})
    with pytest.raises(InputError, match=r"\[gates\]"):
        GateRules.from_mapping({"min_f1": 80})
    with pytest.raises(InputError, match="min_expert_test_rows_per_class"):
        GateRules.from_mapping({"min_expert_test_rows_per_class": -1})
    with pytest.raises(InputError, match="min_f1"):
        GateRules.from_mapping({"min_f1": "high"})
