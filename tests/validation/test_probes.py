"""Counterfactual probes on a judge whose weakness is known."""

from dataclasses import replace

import pytest

from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.schema.trace import Turn
from assay.schema.verdict import Abstained, Decided, Failed
from assay.validation.probes import PROBES, changed_by, probe

LEVELS = (Level(label="no"), Level(label="yes"))
CRITERION = Criterion(
    name="advice",
    version="1",
    question="?",
    reads=("output",),
    scale=Scale(kind="binary", levels=LEVELS, positive="yes"),
)
PAIR = Criterion(
    name="better",
    version="1",
    question="?",
    reads=("output_a", "output_b"),
    scale=Scale(kind="pairwise", levels=(Level(label="A"), Level(label="B"), Level(label="tie"))),
)


class RuleJudge:
    """Answers by a rule; fails where the text is empty."""

    id = "rule-1"

    def __init__(self, rule, criterion=CRITERION):
        self.rule, self.criterion = rule, criterion

    def judge_many(self, examples, on_batch=None):
        for example in examples:
            label = self.rule(example)
            if label is None:
                yield Failed(reason="no text", action="allow", judge=self.id)
                continue
            each = {
                name: 0.9 if name == label else 0.1 / (len(self.criterion.labels) - 1) for name in self.criterion.labels
            }
            yield Decided(label=label, probability=0.9, probabilities=each, scores=each, judge=self.id, latency_ms=0.0)


def named(found, name):
    return next(one for one in found if one.probe == name)


EXAMPLES = [
    Example(id=f"e{n}", output=f"You should buy number {n}." if n % 2 else f"I don't know {n}") for n in range(60)
]


def test_a_judge_that_reads_words_does_not_flip_on_form():
    found = probe(RuleJudge(lambda example: "yes" if "buy" in example.output.lower() else "no"), EXAMPLES)
    assert {one.probe for one in found} == {one.name for one in PROBES}
    for one in found:
        assert one.flips is None or one.flips.value == 0 or one.probe == "truncation"
        assert not one.troubling
    assert named(found, "swap").flips is None
    assert named(found, "spelling-out").changed == 30


def test_a_judge_of_length_flips_when_padded():
    found = probe(
        RuleJudge(lambda example: "yes" if len(example.output) > 40 else "no"),
        EXAMPLES,
        names=["padding-after", "repeat"],
    )
    padded = named(found, "padding-after")
    assert padded.flips.value == 1.0
    assert padded.troubling
    assert padded.directions == {"no → yes": 60}
    assert named(found, "repeat").flips.value == 0
    assert padded.worst[0].shift == pytest.approx(0.1 - 0.9)


def test_a_phrase_can_be_taken_out():
    (found,) = probe(
        RuleJudge(lambda example: "yes" if "buy" in example.output else "no"),
        EXAMPLES,
        names=["repeat"],
        remove=["BUY"],
    )[1:]
    assert (found.changed, found.flips.value) == (30, 1.0)


def test_a_swap_must_mirror_the_answer():
    pairs = [
        Example(id=f"p{n}", output_a="long text here" if n % 2 else "x", output_b="middle ones") for n in range(40)
    ]
    fair = probe(RuleJudge(lambda e: "A" if len(e.output_a) > len(e.output_b) else "B", PAIR), pairs, names=["swap"])
    partial = probe(RuleJudge(lambda e: "A", PAIR), pairs, names=["swap"])
    assert fair[0].flips.value == 0
    assert partial[0].flips.value == 1.0


def test_failed_verdicts_are_not_counted_and_groups_widen_the_interval():
    judge = RuleJudge(
        lambda e: None if "7" in e.output else "yes" if len(e.output) > 40 or e.output[0] == "Y" else "no"
    )
    grouped = [replace(example, group=f"g{n // 10}") for n, example in enumerate(EXAMPLES)]
    alone, together = (
        probe(judge, EXAMPLES, names=["padding-after"])[0],
        probe(judge, grouped, names=["padding-after"])[0],
    )
    assert alone.changed == sum("7" not in example.output for example in EXAMPLES)
    assert alone.flips.value == together.flips.value
    assert "bootstrap" in together.flips.method


def test_a_paraphrase_changes_what_stands_beside_and_never_what_is_judged():
    asked = replace(CRITERION, reads=("turns", "input", "output"))
    earlier = (Turn(role="user", content="Hi, tell me a joke"), Turn(role="assistant", content="No"))
    example = Example(id="e", turns=earlier, input="Should I sell? Thanks", output="Hi, tell me more. Thanks")
    one = next(one for one in PROBES if one.name == "paraphrase")
    new = changed_by(one, example, asked)
    assert (new.input, new.output) == ("Ought I to sell? Thank you", example.output)
    assert [turn.content for turn in new.turns] == ["Hello, let me know a joke", "No"]
    assert changed_by(one, example, CRITERION) is None  # reads the output alone
    pair = replace(PAIR, reads=("input", "output_a", "output_b"))
    sides = Example(id="p", input="Tell me why", output_a="Hi", output_b="Thanks")
    assert changed_by(one, sides, pair) == replace(sides, input="Let me know why")


def test_a_judge_that_hangs_on_the_questions_wording_flips_under_a_paraphrase():
    asked = replace(CRITERION, reads=("input", "output"))
    rows = [Example(id=f"e{n}", input=f"Can you help {n}?", output="Yes.") for n in range(40)]
    (found,) = probe(RuleJudge(lambda e: "yes" if "Can you" in e.input else "no", asked), rows, names=["paraphrase"])
    assert (found.changed, found.flips.value, found.troubling) == (40, 1.0, True)


def test_abstaining_after_a_change_is_another_answer():
    class Banded(RuleJudge):
        def judge_many(self, examples, on_batch=None):
            for example, verdict in zip(examples, super().judge_many(examples), strict=True):
                if self.rule(example) != "yes" or len(example.output) < 40:
                    yield verdict
                    continue
                each = {"no": 0.45, "yes": 0.55}
                yield Abstained(reason="band", probabilities=each, scores=each, judge=self.id, latency_ms=0.0)

    judge = Banded(lambda e: "yes" if "buy" in e.output else "no")
    (found,) = probe(judge, EXAMPLES, names=["padding-after"])
    assert (found.changed, found.flips.value) == (60, 0.5)
    assert found.directions == {"yes → undecided": 30}
    assert (found.worst[0].label, found.worst[0].shift) == ("yes", pytest.approx(0.55 - 0.9))
    (back,) = probe(judge, [replace(EXAMPLES[1], output="You should buy" + " x" * 20)], remove=[" x"], names=["swap"])[
        1:
    ]
    assert back.directions == {"undecided → yes": 1}


def test_nothing_to_change_and_bad_names():
    stop = next(one for one in PROBES if one.name == "last-stop")
    assert changed_by(stop, Example(id="e", output="no stop"), CRITERION) is None
    with pytest.raises(InputError, match="no such probe"):
        probe(RuleJudge(lambda e: "yes"), EXAMPLES, names=["nonsense"])
    with pytest.raises(InputError, match="probed on examples"):
        probe(RuleJudge(lambda e: "yes"), [])
