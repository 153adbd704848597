"""Baselines, slices, mistakes, training curves and shown text: the parts of a report."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_judge import binary_criterion, frozen_rows
from sklearn.metrics import average_precision_score, roc_auc_score

from assay.schema.errors import InputError
from assay.schema.trace import Turn
from assay.validation.baselines import baselines, max_f1_threshold
from assay.validation.evaluate import evaluate
from assay.validation.mistakes import worst_mistakes
from assay.validation.outcomes import judged, outcomes_of
from assay.validation.plain_text import plain
from assay.validation.slices import MIN_SLICE_ROWS, slices_of
from assay.validation.training_summary import training_summary


def outcomes(scene):
    tests = [row for row in scene.rows if row.split == "test"]
    return outcomes_of(judged(scene.judge, tests), scene.dataset.criterion, scene.version.decision.threshold, 0)


def in_split(scene, split):
    return [row for row in scene.rows if row.split == split]


def test_the_bag_of_words_learns_words_that_tell(make_scene):
    criterion = binary_criterion()
    telling = make_scene(criterion, rows=frozen_rows(criterion, 500, words_tell=1.0))
    mute = make_scene(criterion, rows=frozen_rows(criterion, 500, words_tell=0.0))
    of = {}
    for name, scene in (("telling", telling), ("mute", mute)):
        found = baselines(in_split(scene, "train"), in_split(scene, "calibration"), outcomes(scene))
        of[name] = next(contender for contender in found if contender.name == "bag-of-words")
    assert of["telling"].measures["auroc"].value == 1.0
    assert of["mute"].measures["auroc"].low < 0.5 < of["mute"].measures["auroc"].high


def test_the_majority_always_answers_the_commonest_training_label(scene):
    rows = in_split(scene, "train")
    advice = [row for row in rows if row.target.value == "advice"]
    education = [row for row in rows if row.target.value == "education"]
    found = outcomes(scene)
    base = (found.truth == 1).mean()
    always, never = (baselines(mix, [], found)[0] for mix in (advice + education[:9], education + advice[:9]))
    assert always.measures["f1"].value == pytest.approx(2 * base / (1 + base))
    assert never.measures["f1"].value == 0.0
    judge = (
        2
        * ((found.truth == 1) & (found.predicted == 1)).sum()
        / ((found.truth == 1).sum() + (found.predicted == 1).sum())
    )
    assert never.differences["f1"].value == pytest.approx(judge)
    assert "auroc" not in never.measures


def test_without_training_rows_there_is_no_baseline(scene):
    assert baselines([], [], outcomes(scene)) == ()


def test_one_training_class_leaves_the_majority_only(scene):
    advice = [row for row in in_split(scene, "train") if row.target.value == "advice"]
    assert [contender.name for contender in baselines(advice, [], outcomes(scene))] == ["majority"]


def test_texts_without_a_word_still_have_a_baseline(scene):
    mute = [replace(row, example=replace(row.example, input="", output="!?")) for row in scene.rows]
    found = baselines([row for row in mute if row.split == "train"], [], outcomes(scene))
    assert found[1].measures["f1"] is not None


def test_the_best_threshold_by_hand():
    truth = np.array([True, False, True, True, False])
    assert max_f1_threshold(truth, np.array([0.9, 0.8, 0.7, 0.6, 0.1])) == 0.6


def test_slices_are_found_and_add_up(scene):
    found = slices_of(outcomes(scene))
    assert {part.key for part in found} == {
        "topic",
        "hard",
        "turns",
        "length",
    }  # one source; `number` has too many values
    for key in ("topic", "hard", "turns", "length"):
        assert sum(part.n for part in found if part.key == key) == len(scene.test_ids)
    topics = [part for part in found if part.key == "topic"]
    assert [part.value for part in topics] == ["cards", "funds", "mortgages", "pensions"]
    assert all(part.measures["f1"].low < part.measures["f1"].value < part.measures["f1"].high for part in topics)
    assert [part.value for part in found if part.key == "length"] == ["shortest third", "middle third", "longest third"]


def test_a_slice_is_measured_on_its_own_rows(scene):
    every = outcomes(scene)
    part = next(part for part in slices_of(every, ["topic"]) if part.value == "cards")
    mask = np.array([row.example.meta["topic"] == "cards" for row in every.rows])
    assert part.measures["accuracy"].value == pytest.approx((every.truth == every.predicted)[mask].mean())
    assert part.positives == (every.truth[mask] == 1).sum()


def test_a_slice_has_every_measure_of_the_whole(scene):
    every = outcomes(scene)
    part = next(part for part in slices_of(every, ["topic"]) if part.value == "cards")
    mask = np.array([row.example.meta["topic"] == "cards" for row in every.rows])
    truth, scores = every.truth[mask] == 1, every.probabilities[mask, 1]
    assert part.measures["auroc"].value == pytest.approx(roc_auc_score(truth, scores))
    assert part.measures["auprc"].value == pytest.approx(average_precision_score(truth, scores))
    assert part.measures["brier"].value == pytest.approx(((scores - truth) ** 2).mean())
    assert part.measures["ece"].low <= part.measures["ece"].value
    halved = next(part for part in slices_of(every, ["topic"], own_rate=every.probabilities * 0 + 0.5))
    assert halved.measures["brier"].value == pytest.approx(0.25)


def test_a_small_slice_has_no_measures(scene):
    every = outcomes(scene)
    rare = {row.example.id for row in every.rows[: MIN_SLICE_ROWS - 1]}
    rows = tuple(
        replace(row, example=replace(row.example, meta={"rare": "yes" if row.example.id in rare else "no"}))
        for row in every.rows
    )
    small, large = sorted(slices_of(replace(every, rows=rows), ["rare"]), key=lambda part: part.n)
    assert (small.n, small.measures) == (MIN_SLICE_ROWS - 1, None)
    assert large.measures is not None


def test_an_unknown_slice_key_is_refused(scene):
    with pytest.raises(InputError, match="topic"):
        slices_of(outcomes(scene), ["topc"])


def test_the_worst_mistakes_are_the_surest_wrong_answers(scene):
    every = outcomes(scene)
    found = worst_mistakes(every)
    wrong = every.margin[every.truth != every.predicted]
    assert [mistake.margin for mistake in found] == sorted(wrong, reverse=True)[: len(found)]
    assert all(mistake.truth != mistake.answered for mistake in found)


def test_margins_do_not_depend_on_the_production_rate(make_scene):
    criterion = binary_criterion()
    rows = frozen_rows(criterion, 300)
    even, rare = (
        outcomes(make_scene(criterion, rows=rows, production={"education": 1 - rate, "advice": rate}))
        for rate in (0.5, 0.01)
    )
    assert np.allclose(even.margin, rare.margin)
    assert (even.predicted == rare.predicted).all()


def test_excerpts_are_short_and_hide_nothing(scene):
    every = outcomes(scene)
    nasty = "start \x00\x1b[31m\u202eevil\ud800 " + "x" * 5000 + " end"
    turns = (Turn(role="user", content=nasty),)
    rows = tuple(replace(row, example=replace(row.example, output=nasty, turns=turns)) for row in every.rows)
    text = worst_mistakes(replace(every, rows=rows))[0].excerpt["output"]
    assert len(text) <= 280
    assert text.startswith("start ")
    assert text.endswith(" end")
    assert not set(text) & {"\x00", "\x1b", "\u202e", "\ud800"}
    text.encode("utf-8")


@given(st.text(alphabet=st.characters(codec=None)), st.integers(min_value=5, max_value=60))
def test_plain_text_is_bounded_and_writable(text, limit):
    shown = plain(text, limit=limit)
    assert len(shown) <= limit
    assert "\n" not in shown
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("dev", "rescaled", "says"),
    [
        ([0.6, 0.5, 0.45], [0.6, 0.5, 0.45], "No over-fitting"),
        ([0.6, 0.4, 0.7], [0.6, 0.4, 0.5], "over-fit after epoch 2"),
        ([0.6, 0.4, 0.7], [0.6, 0.4, 0.4], "over-confident"),
        ([0.6, 0.4, 0.7], [None, None, None], "over-fit after epoch 2"),
        ([0.6], [0.6], "Too few epochs"),
        ([], [], "Too few epochs"),
        ([float("nan"), float("nan")], [None, None], "Too few epochs"),
    ],
)
def test_over_fitting_is_said(dev, rescaled, says):
    points = [
        {"epoch": i + 1, "train_loss": 0.5, "dev_loss": a, "dev_calibrated_loss": b}
        for i, (a, b) in enumerate(zip(dev, rescaled, strict=True))
    ]
    found = training_summary({"epochs": points, "best_epoch": 2, "seconds": 3})
    assert says in found.note
    assert found.note.endswith("The weights of epoch 2 were kept.")
    assert len(found.epochs) == len(dev)


def test_a_strange_training_record_is_no_error():
    found = training_summary({"epochs": "all", "best_epoch": True, "seconds": "long"})
    assert (found.epochs, found.kept_epoch, found.seconds) == ((), None, None)


def test_training_reaches_the_report(scene):
    record = {"epochs": [{"epoch": 1, "dev_loss": 0.4}, {"epoch": 2, "dev_loss": 0.3}], "best_epoch": 2}
    found = evaluate(scene.judge, scene.version, scene.dataset, scene.rows, training=record)
    assert [epoch.dev_loss for epoch in found.training.epochs] == [0.4, 0.3]
