"""The small judge: every example gets one verdict, in order, whatever is beside it."""

import asyncio
import dataclasses
import gc
import itertools
import threading
import time

import numpy as np
import pytest

from assay.inference.engine import now
from assay.judging.slm import SmallJudge, calibration_order, decide, probability_map
from assay.schema.errors import AssayError, DeadlineExceededError, UnsupportedJudgeError
from assay.schema.example import Example
from assay.schema.trace import ImagePart, Turn
from assay.schema.verdict import Abstained, Decided, Failed

WORDS = [
    "you",
    "should",
    "buy",
    "sell",
    "wait",
    "bond",
    "share",
    "price",
    "weather",
    "sport",
    "money",
    "music",
    "travel",
    "health",
]


def examples(number: int) -> list[Example]:
    return [
        Example(
            id=f"e{place}", output=" ".join(WORDS[(place * 5 + step) % len(WORDS)] for step in range(1 + place % 9))
        )
        for place in range(number)
    ]


def same(first, second) -> bool:
    """Equal verdicts but for the time and float32 rounding."""
    return first.label == second.label and all(
        abs(first.scores[label] - second.scores[label]) < 1e-5 for label in first.scores
    )


@pytest.mark.parametrize(
    ("positive", "decision", "label"),
    [
        (0.5, {"threshold": 0.5}, "yes"),
        (0.4999, {"threshold": 0.5}, "no"),
        (0.1, {"threshold": 0.1}, "yes"),
        (0.0, {"threshold": 0.5}, "no"),
        (1.0, {"threshold": 0.5}, "yes"),
        (0.4, {"threshold": 0.5, "abstain_low": 0.4, "abstain_high": 0.6}, None),
        (0.5999, {"threshold": 0.5, "abstain_low": 0.4, "abstain_high": 0.6}, None),
        (0.6, {"threshold": 0.5, "abstain_low": 0.4, "abstain_high": 0.6}, "yes"),
        (0.3999, {"threshold": 0.5, "abstain_low": 0.4, "abstain_high": 0.6}, "no"),
        (0.5, {"threshold": 0.5, "abstain_low": 0.5, "abstain_high": 0.5}, "yes"),
    ],
)
@pytest.mark.parametrize("labels", [("yes", "no"), ("no", "yes")])
def test_a_binary_decision(version_of, positive, decision, label, labels):
    version = version_of(*labels, **decision)
    assert decide({"yes": positive, "no": 1 - positive}, version) == label


@pytest.mark.parametrize(
    ("probabilities", "label"),
    [
        ({"a": 0.2, "b": 0.5, "c": 0.3}, "b"),
        ({"a": 0.4, "b": 0.4, "c": 0.2}, "a"),
        ({"a": 0.2, "b": 0.4, "c": 0.4}, "b"),
    ],
)
def test_a_categorical_decision_takes_the_first_of_the_most_probable(version_of, probabilities, label):
    assert decide(probabilities, version_of("a", "b", "c", positive=None)) == label


def test_probabilities_are_moved_to_the_production_rate(version_of):
    version = version_of(rates={"yes": 0.1, "no": 0.9})
    moved = probability_map(version.calibration, version.criterion)(np.log([[0.5, 0.5], [0.8, 0.2]]))
    # 0.8 : 0.2 at even rates is 0.8 · 0.1 : 0.2 · 0.9 = 0.08 : 0.18
    assert np.allclose(moved, [[0.1, 0.9], [0.08 / 0.26, 0.18 / 0.26]])


@pytest.mark.parametrize("labels", [("yes", "no"), ("no", "yes")])
def test_probabilities_stand_in_the_order_of_the_scale(version_of, labels):
    """Calibrators want a binary scale's positive label last; nobody else is to notice."""
    version = version_of(*labels)
    assert [version.criterion.labels[place] for place in calibration_order(version.criterion)] == ["no", "yes"]
    fitted = {"slopes": [[2.0]], "intercepts": [1.0], "weights": [1.0]}
    calibration = dataclasses.replace(version.calibration, calibrator="platt.v1", parameters=fitted)
    scores = {"yes": np.log(0.8), "no": np.log(0.2)}
    (row,) = probability_map(calibration, version.criterion)(np.array([[scores[label] for label in labels]]))
    # log-odds ln 4 become 2 ln 4 + 1
    assert dict(zip(labels, row, strict=True))["yes"] == pytest.approx(1 / (1 + np.exp(-2 * np.log(4) - 1)))


def test_a_verdict_carries_everything(version_of, judge_of):
    judge = judge_of(version_of())
    verdict = judge.judge(Example(id="e", output="buy these shares"))
    assert isinstance(verdict, Decided)
    assert verdict.judge == judge.id == judge.version.id
    assert (verdict.mode, verdict.route, verdict.truncated_tokens) == ("single-token", "judge", 0)
    assert sum(verdict.probabilities.values()) == pytest.approx(1)
    assert verdict.probability == verdict.probabilities[verdict.label]
    assert verdict.label == max(verdict.probabilities, key=verdict.probabilities.get)
    assert verdict.probabilities["yes"] == pytest.approx(np.exp(verdict.scores["yes"]))
    assert verdict.latency_ms > 0


def test_verdicts_come_in_order_and_do_not_depend_on_the_others(version_of, judge_of):
    judge = judge_of(version_of())
    given = examples(40)
    together = list(judge.judge_many(given))
    yes = [verdict.probabilities["yes"] for verdict in together]
    assert max(yes) - min(yes) > 1e-3  # the examples do differ to it
    assert all(same(judge.judge(example), verdict) for example, verdict in zip(given, together, strict=True))
    backwards = list(judge.judge_many(given[::-1]))[::-1]
    assert all(same(one, other) for one, other in zip(backwards, together, strict=True))


def windowed(judge: SmallJudge, window: int) -> SmallJudge:
    smaller = SmallJudge(judge.version, judge._engine, judge._tokens, window=window)
    smaller._origin = judge  # its engine ends with it
    return smaller


def test_windows_keep_the_order_and_read_no_further_ahead(version_of, judge_of):
    judge = judge_of(version_of())
    given = examples(23)
    read = 0

    def source():
        nonlocal read
        for read, example in enumerate(given, start=1):  # noqa: B007 - read is looked at outside
            yield example

    verdicts = []
    told: list[int] = []
    for verdict in windowed(judge, 5).judge_many(source(), told.append):
        verdicts.append(verdict)
        assert read <= 5 * ((len(verdicts) - 1) // 5 + 1)
    expected = list(judge.judge_many(given))
    assert all(same(one, other) for one, other in zip(verdicts, expected, strict=True))
    assert sum(told) == 23


def test_an_endless_source_is_judged_in_constant_memory(version_of, judge_of):
    judge = windowed(judge_of(version_of()), 8)
    endless = (Example(id=str(number), output="buy") for number in itertools.count())
    assert len(list(itertools.islice(judge.judge_many(endless), 50))) == 50


def test_nothing_gives_nothing(version_of, judge_of):
    assert list(judge_of(version_of()).judge_many([])) == []


EMPTY = [
    Example(id="a", output=""),
    Example(id="b", output="   "),
    Example(id="c", input="a field that is not read"),
    Example(id="d", output=(ImagePart(blob="0" * 64),)),
]


@pytest.mark.parametrize("empty", EMPTY, ids=lambda example: example.id)
def test_an_example_without_text_fails_alone(version_of, judge_of, empty):
    judge = judge_of(version_of())
    first, last = examples(2)
    one, failed, other = judge.judge_many([first, empty, last])
    assert failed == Failed(
        reason=f"bad-input: Example '{empty.id}' has no text to judge.", action="block", judge=judge.id
    )
    assert same(one, judge.judge(first))
    assert same(other, judge.judge(last))


def test_a_window_of_failures_only(version_of, judge_of):
    assert all(isinstance(verdict, Failed) for verdict in judge_of(version_of()).judge_many(EMPTY))


def test_numbers_that_are_none_fail_instead_of_deciding(version_of, judge_of):
    verdict = judge_of(version_of(), break_head=True).judge(Example(id="e", output="buy"))
    assert isinstance(verdict, Failed)
    assert verdict.reason == "the model's scores are not finite numbers"
    assert verdict.action == "block"


def test_inside_the_band_it_abstains(version_of, judge_of):
    version = version_of(abstain_low=0.0, abstain_high=1.1)
    verdict = judge_of(version).judge(Example(id="e", output="buy"))
    assert isinstance(verdict, Abstained)
    assert "abstention band" in verdict.reason
    assert sum(verdict.probabilities.values()) == pytest.approx(1)


def test_a_megabyte_is_judged_and_what_was_cut_is_recorded(version_of, judge_of):
    judge = judge_of(version_of())
    long, short = judge.judge_many([Example(id="e", output="buy " * 250_000), Example(id="f", output="buy")])
    assert long.truncated_tokens == 250_000 - 62  # 64 less begin and end
    assert short.truncated_tokens == 0
    assert same(judge.judge(Example(id="g", output="buy " * 62)), long)


def test_a_long_session_keeps_its_end(version_of, judge_of):
    judge = judge_of(version_of())
    turns = tuple(Turn(role="user", content=f"weather {number}") for number in range(300))
    verdict = judge.judge(Example(id="e", turns=turns, output="buy"))
    assert isinstance(verdict, Decided)
    assert verdict.truncated_tokens > 500


def test_content_cannot_imitate_the_frame(version_of, judge_of):
    judge = judge_of(version_of())
    verdicts = list(judge.judge_many([Example(id="e", output="buy [SEP] sell"), Example(id="f", output="\x00\ud800")]))
    assert all(isinstance(verdict, Decided) for verdict in verdicts)


def test_three_labels(version_of, judge_of):
    judge = judge_of(version_of("a", "b", "c", positive=None))
    for verdict in judge.judge_many(examples(10)):
        assert verdict.label == max(verdict.probabilities, key=verdict.probabilities.get)
        assert list(verdict.probabilities) == ["a", "b", "c"]


def test_another_recipe_is_another_judge(version_of):
    version = version_of()
    assert dataclasses.replace(version, fallback="allow").id != version.id


def test_a_mode_that_the_judge_does_not_have_is_refused_with_those_it_has(version_of, judge_of):
    judge = judge_of(version_of())
    with pytest.raises(UnsupportedJudgeError, match="reasoning") as caught:
        judge.in_mode("reasoning")
    assert "single-token" in str(caught.value)
    with pytest.raises(UnsupportedJudgeError):
        judge.judge(examples(1)[0], mode="reasoning")


def test_awaited_verdicts_are_those_of_a_file(version_of, judge_of):
    judge = judge_of(version_of())
    given = examples(12)

    async def all_at_once():
        return await asyncio.gather(*(judge.judge_async(example, deadline_s=now() + 60) for example in given))

    assert all(same(one, other) for one, other in zip(asyncio.run(all_at_once()), judge.judge_many(given), strict=True))


def test_an_awaited_verdict_that_comes_too_late_is_an_error_and_an_empty_text_a_failure(version_of, judge_of):
    judge = judge_of(version_of())
    with pytest.raises(DeadlineExceededError):
        asyncio.run(judge.judge_async(examples(1)[0], deadline_s=now() - 1))
    assert isinstance(asyncio.run(judge.judge_async(Example(id="e"))), Failed)


def test_a_judge_that_is_let_go_ends_its_engine(version_of, judge_of):
    judge = judge_of(version_of())
    other = judge.in_mode("single-token")
    engine = judge._engine
    del judge
    gc.collect()
    assert isinstance(other.judge(examples(1)[0]), Decided)  # the same engine, in another mode
    assert not engine.lost
    del other
    gc.collect()
    assert engine.lost


def test_a_judge_that_cannot_be_loaded_leaves_no_engine_behind(version_of, tmp_path):
    before = threading.active_count()
    with pytest.raises(AssayError):
        SmallJudge.load(version_of(), tmp_path)
    for _ in range(500):  # the device's thread ends by itself once its last engine has left
        if threading.active_count() <= before:
            return
        time.sleep(0.01)
    raise AssertionError([thread.name for thread in threading.enumerate()])
