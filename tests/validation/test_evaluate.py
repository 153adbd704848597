import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from simulated_judge import ordinal_criterion

from assay.calibration.prior_shift import shift
from assay.schema.dataset import DatasetVersion
from assay.schema.errors import ConflictError, InputError, RefusedError
from assay.schema.verdict import Abstained, Decided
from assay.validation.evaluate import evaluate
from assay.validation.report import Report


def run(scene, **options) -> Report:
    return evaluate(scene.judge, scene.version, scene.dataset, scene.rows, **options)


@pytest.fixture(scope="module")
def report(scene) -> Report:
    return run(scene)


def verdicts_by_id(scene):
    tests = [row for row in scene.rows if row.split == "test"]
    return dict(zip(scene.test_ids, scene.judge.judge_many(row.example for row in tests), strict=True))


def test_the_confusion_matrix_is_counted_from_the_judges_own_verdicts(scene, report):
    verdicts = verdicts_by_id(scene)
    counts = {
        ("education", "education"): 0,
        ("education", "advice"): 0,
        ("advice", "education"): 0,
        ("advice", "advice"): 0,
    }
    for row in scene.rows:
        if row.split == "test":
            counts[row.target.value, verdicts[row.example.id].label] += 1
    assert report.confusion == (
        (counts["education", "education"], counts["education", "advice"]),
        (counts["advice", "education"], counts["advice", "advice"]),
    )
    tp, fp, fn = counts["advice", "advice"], counts["education", "advice"], counts["advice", "education"]
    assert report.measures["f1"].value == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert report.measures["precision"].value == pytest.approx(tp / (tp + fp))


def test_only_test_rows_reach_the_judge(scene):
    seen = []

    class Watching:
        id, criterion = scene.judge.id, scene.judge.criterion

        def judge_many(self, examples):
            for example in examples:
                seen.append(example.id)
                yield from scene.judge.judge_many([example])

    evaluate(Watching(), scene.version, scene.dataset, scene.rows)
    assert seen == scene.test_ids


def test_brier_is_taken_at_the_tests_own_rate(scene, report):
    verdicts = verdicts_by_id(scene)
    tests = [row for row in scene.rows if row.split == "test"]
    truth = np.array([row.target.value == "advice" for row in tests])
    given = np.array(
        [[verdicts[row.example.id].probabilities[label] for label in ("education", "advice")] for row in tests]
    )
    rate = truth.mean()
    moved = shift(given, [0.98, 0.02], [1 - rate, rate])[:, 1]
    assert report.measures["brier"].value == pytest.approx(((moved - truth) ** 2).mean())
    assert report.measures["brier"].value < ((given[:, 1] - truth) ** 2).mean()
    assert report.base_rates.test["advice"] == pytest.approx(rate)


def test_a_rightly_shifted_judge_counts_as_calibrated(report):
    assert report.calibration.within_perfect
    assert sum(point.n for point in report.calibration.curve) == report.answers.decided


def test_expected_precision_is_at_the_production_rate_not_the_tests(report):
    tpr, tnr = report.measures["recall"].value, report.measures["specificity"].value
    expected = 0.02 * tpr / (0.02 * tpr + 0.98 * (1 - tnr))
    assert report.expected_precision.value == pytest.approx(expected)
    assert report.expected_precision.low < expected < report.measures["precision"].value


def test_without_a_known_base_rate_no_precision_is_promised(make_scene, scene):
    unshifted = make_scene(scene.dataset.criterion, n=400)
    assert run(unshifted).expected_precision is None


def test_failed_and_abstained_rows_are_counted_and_enter_no_measure(scene, report):
    failed, unsure = frozenset(scene.test_ids[:3]), frozenset(scene.test_ids[3:10])
    found = run(scene.with_judge(fails=failed, abstains=unsure))
    n = len(scene.test_ids)
    assert (found.answers.failed, found.answers.abstained, found.answers.decided) == (3, 7, n - 10)
    assert found.answers.coverage.value == pytest.approx((n - 10) / (n - 3))
    assert found.answers.failed_share.value == pytest.approx(3 / n)
    assert {failure.example for failure in found.answers.failures} == failed
    assert found.answers.failures[0].reason == "the text is empty"
    assert sum(map(sum, found.confusion)) == n - 10
    assert found.base_rates.test == report.base_rates.test


def test_truncation_and_latency_are_reported(scene, report):
    cut = sum(name.endswith("7") for name in scene.test_ids)
    assert (report.answers.truncated_rows, report.answers.truncated_tokens) == (cut, 3 * cut)
    assert 10 <= report.answers.latency_ms["p50"] <= report.answers.latency_ms["p99"] <= 16


def test_low_false_positive_recall_needs_300_negatives(make_scene, scene, report):
    assert report.recall_at_low_fpr is None
    large = run(make_scene(scene.dataset.criterion, n=2800))
    assert large.recall_at_low_fpr.realised_fpr.n >= 300
    assert large.recall_at_low_fpr.threshold == 0.5


def test_the_report_survives_json(report):
    again = Report.from_dict(json.loads(report.to_json()))
    assert again == Report.from_dict(report.to_dict())
    assert again.to_json() == report.to_json()


def test_a_report_of_another_format_is_refused(report):
    with pytest.raises(InputError, match="evaluate the judge again"):
        Report.from_dict(report.to_dict() | {"format": "report.v0"})
    with pytest.raises(InputError, match="did you mean 'slices'"):
        Report.from_dict(report.to_dict() | {"slces": []})


def test_the_same_seed_gives_the_same_numbers(scene, report):
    timeless = {"created_at", "answers"}
    first, second = report.to_dict(), run(scene).to_dict()
    assert {k: v for k, v in first.items() if k not in timeless} == {
        k: v for k, v in second.items() if k not in timeless
    }


def test_progress_counts_every_row(scene):
    steps = []
    run(scene, progress=lambda done, total: steps.append((done, total)))
    n = len(scene.test_ids)
    assert steps == [(i + 1, n) for i in range(n)]


def test_ordinal_scales_have_their_own_measures(make_scene):
    found = run(make_scene(ordinal_criterion(), n=600))
    assert found.main_measure == "macro_f1"
    assert set(found.measures) == {
        "accuracy",
        "macro_f1",
        "kappa",
        "brier",
        "brier_change",
        "weighted_kappa",
        "mean_absolute_error",
    }
    assert set(found.per_label) == {"1", "2", "3", "4"}
    assert np.trace(np.array(found.confusion)) / found.answers.decided == pytest.approx(
        found.measures["accuracy"].value
    )
    assert found.expected_precision is None
    assert found.curves.precision_recall == ()


def test_rows_that_share_a_component_are_resampled_together(scene):
    """Twenty copies of each row carry no more evidence than one: the interval must not shrink with the copies."""
    tests = [row for row in scene.rows if row.split == "test"][:60]
    others = [row for row in scene.rows if row.split != "test"]
    copies = [replace(row) for row in tests for _ in range(20)]
    few = evaluate(scene.judge, scene.version, scene.dataset, others + tests)
    many = evaluate(scene.judge, scene.version, scene.dataset, others + copies)
    width = {name: r.measures["auroc"].high - r.measures["auroc"].low for name, r in (("few", few), ("many", many))}
    assert width["many"] == pytest.approx(width["few"], rel=0.25)
    assert "clustered" in many.measures["f1"].method


def test_a_judge_that_is_not_the_version_is_refused(scene):
    other = replace(scene.version, name="other")
    with pytest.raises(ConflictError, match="not the version"):
        evaluate(scene.judge, other, scene.dataset, scene.rows)


def test_verdicts_signed_by_another_version_are_refused(scene):
    with pytest.raises(ConflictError, match="signed by another judge"):
        run(scene.with_judge(signs_as="advice-00000000"))


def test_another_question_is_refused(scene):
    reworded = replace(scene.dataset.criterion, question="Something else?")
    dataset: DatasetVersion = replace(scene.dataset, criterion=reworded)
    with pytest.raises(ConflictError, match="different questions"):
        evaluate(scene.judge, scene.version, dataset, scene.rows)


@pytest.mark.parametrize(("keep", "told"), [(0, "no test rows"), (5, "decided none")])
def test_nothing_to_measure_is_refused(scene, keep, told):
    rows = [row for row in scene.rows if row.split != "test"] + [row for row in scene.rows if row.split == "test"][
        :keep
    ]
    judge = replace(scene.judge, fails=frozenset(scene.test_ids))
    with pytest.raises(RefusedError, match=told):
        evaluate(judge, scene.version, scene.dataset, rows)


def test_a_verdict_too_few_is_refused(scene):
    class Short:
        id, criterion = scene.judge.id, scene.judge.criterion

        def judge_many(self, examples):
            yield from list(scene.judge.judge_many(examples))[1:]

    with pytest.raises(ConflictError, match="one verdict an example"):
        evaluate(Short(), scene.version, scene.dataset, scene.rows)


def test_an_llm_judge_stands_beside_on_the_rows_both_decided(scene):
    llm = verdicts_by_id(scene)
    unsure = Abstained(reason="", probabilities={}, scores={}, judge="llm-1", latency_ms=1.0)
    llm |= dict.fromkeys(scene.test_ids[:50], unsure)
    found = run(scene, llm_verdicts=llm).contender("llm-judge")
    assert found.n == len(scene.test_ids) - 50
    assert (found.differences["f1"].value, found.differences["f1"].low, found.differences["f1"].high) == (0, 0, 0)
    assert all(isinstance(verdict, Decided | Abstained) for verdict in llm.values())


def test_an_llm_that_gives_labels_alone_ranks_nothing(scene):
    sure = {
        name: replace(verdict, probabilities={label: float(label == verdict.label) for label in verdict.probabilities})
        for name, verdict in verdicts_by_id(scene).items()
    }
    found = run(scene, llm_verdicts=sure).contender("llm-judge")
    assert set(found.measures) == {"f1", "precision", "recall"}


def test_an_unknown_slice_key_is_refused_before_a_row_is_judged(scene):
    with pytest.raises(InputError, match="slice key"):
        evaluate(scene.judge, scene.version, scene.dataset, scene.rows, slices=["topc"], progress=lambda *_: 1 / 0)


def test_no_llm_verdicts_no_llm_judge(scene, report):
    assert report.contender("llm-judge") is None
    assert run(scene, llm_verdicts={}).contender("llm-judge") is None


def test_importing_the_folder_loads_no_heavy_library():
    code = "import assay.validation, sys; print(sorted({'matplotlib', 'sklearn', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
