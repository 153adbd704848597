"""A child against its parent: flips, drift and loss counted by hand on scripted verdicts; and the gates about them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pytest
from simulated_judge import binary_criterion, frozen_rows, scene_of

from assay.metrics.intervals import Estimate
from assay.schema.errors import InputError, RefusedError
from assay.schema.verdict import Abstained, Decided, Failed, Verdict
from assay.validation.child import compare
from assay.validation.evaluate import evaluate
from assay.validation.gates import GateRules, decide
from assay.validation.report import ModelSize, Report

SIZE = ModelSize(disk=10, shared_disk=20, memory=30)
CRITERION = binary_criterion()


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """Says of each row what its script says: a probability of the positive label, or that it abstains or fails."""

    id: str
    script: tuple[float | str, ...]
    criterion = CRITERION

    def judge_many(self, examples: Iterable[object], on_batch: object = None) -> Iterator[Verdict]:
        for said, _ in zip(self.script, examples, strict=True):
            yield self._verdict(said)

    def _verdict(self, said: float | str) -> Verdict:
        if said == "fails":
            return Failed(reason="empty", action="flag", judge=self.id)
        p = 0.5 if isinstance(said, str) else said
        chances = {"education": 1 - p, "advice": p}
        scores = {label: math.log(chance) for label, chance in chances.items()}
        if said == "abstains":
            return Abstained(reason="unsure", probabilities=chances, scores=scores, judge=self.id, latency_ms=1.0)
        label = "advice" if p >= 0.5 else "education"
        return Decided(
            label=label, probability=chances[label], probabilities=chances, scores=scores, judge=self.id, latency_ms=1.0
        )


def rows_of(truth: str):
    """One row a letter: a(dvice), e(ducation)."""
    made = frozen_rows(CRITERION, 40)[: len(truth)]
    names = {"a": "advice", "e": "education"}
    return [
        replace(row, target=replace(row.target, value=names[letter])) for row, letter in zip(made, truth, strict=True)
    ]


def compared(truth: str, child: tuple, parent: tuple):
    sides = (Scripted(id="child-1", script=child), Scripted(id="parent-1", script=parent))
    return compare(*sides, rows_of(truth), (SIZE, replace(SIZE, memory=90)))


def test_flips_drift_and_loss_by_hand():
    found = compared("aaee", child=(0.8, 0.2, 0.2, 0.2), parent=(0.8, 0.8, 0.2, 0.2))
    assert (found.parent, found.rows) == ("parent-1", 4)
    assert found.flips.value == 0.25
    assert found.flips.low < 0.25 < found.flips.high
    # one row of four moved from log-odds log 4 to −log 4, and from 0.8 to 0.2
    assert found.score_drift.value == pytest.approx(2 * math.log(4) / 4)
    assert found.largest_score_drift == pytest.approx(2 * math.log(4))
    assert found.probability_drift.value == pytest.approx(0.6 / 4)
    assert found.f1_loss is not None
    assert found.f1_loss.value == pytest.approx(1 - 2 / 3)  # TP 1, FN 1
    assert found.parent_size.memory / found.size.memory == 3
    assert found.rows_per_s > 0


def test_a_failure_or_an_abstention_of_one_of_them_is_a_flip():
    found = compared("aaeea", child=(0.9, "fails", "abstains", 0.1, "fails"), parent=(0.9, 0.9, 0.1, 0.1, "fails"))
    assert found.flips.value == pytest.approx(2 / 5)  # both failing on the last row is agreement
    assert found.score_drift.n == 3  # rows that both scored
    assert found.f1_loss is not None
    assert found.f1_loss.n == 2  # rows that both decided


def test_nothing_to_compare():
    with pytest.raises(RefusedError, match="no row was judged by both"):
        compared("ae", child=("fails", 0.1), parent=(0.9, "fails"))
    assert compared("ee", child=(0.1, 0.1), parent=(0.1, 0.1)).f1_loss is None


@pytest.fixture(scope="module")
def report() -> Report:
    scene = scene_of(CRITERION, production={"education": 0.9, "advice": 0.1}, strength=4.0)
    return evaluate(scene.judge, scene.version, scene.dataset, scene.rows)


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=200, method="by hand")


def child_report(report: Report, flips: float, loss: Estimate | None) -> Report:
    found = compared("ae", child=(0.9, 0.1), parent=(0.9, 0.1))
    found = replace(found, flips=estimate(flips, 0.0, 0.05), f1_loss=loss)
    return replace(report, judge=replace(report.judge, dtype="int8"), against_parent=found)


@pytest.mark.parametrize(
    ("flips", "loss", "failing"),
    [
        (0.02, (0.01, -0.01, 0.03), []),
        (0.021, (0.0, -0.01, 0.01), ["few-flips"]),
        (0.0, (0.011, 0.0, 0.02), ["keeps-f1"]),
        (0.0, (0.0, -0.02, 0.031), ["keeps-f1"]),
        (0.0, None, ["keeps-f1"]),
    ],
)
def test_a_child_over_its_budget_is_refused(report, flips, loss, failing):
    decision = decide(child_report(report, flips, None if loss is None else estimate(*loss)))
    assert [gate.name for gate in decision.gates][-2:] == ["few-flips", "keeps-f1"]
    assert [gate.name for gate in decision.gates if not gate.passed] == failing
    assert decision.passed == (not failing)


def test_the_budget_can_be_changed(report):
    rules = GateRules.from_mapping({"max_flips": 0.1, "max_f1_loss": 0.05, "max_f1_loss_bound": 0.2})
    assert decide(child_report(report, 0.09, estimate(0.04, 0.0, 0.1)), rules).passed
    with pytest.raises(InputError, match="max_flips"):
        GateRules(max_flips=2.0)


def test_a_quantised_judge_that_was_not_compared_is_refused_and_others_are_not_asked(report):
    alone = replace(report, judge=replace(report.judge, dtype="int8"))
    names = [gate.name for gate in decide(alone).gates if not gate.passed]
    assert names == ["few-flips", "keeps-f1"]
    assert not {"few-flips", "keeps-f1"} & {gate.name for gate in decide(report).gates}


def test_the_comparison_survives_report_json(report):
    whole = child_report(report, 0.01, estimate(0.0, -0.01, 0.01))
    assert Report.from_dict(whole.to_dict()).against_parent == whole.against_parent
    old = report.to_dict()
    del old["against_parent"]
    assert Report.from_dict(old).against_parent is None
