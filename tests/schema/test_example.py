"""Examples: what is judged, its text and its digest."""

import dataclasses

import pytest

from assay.schema.example import content_id, field_text
from assay.schema.gate import Gate, GateDecision
from assay.schema.trace import ImagePart, TextPart, Turn, text_of


def test_content_holds_what_is_there(example):
    assert example.content() == {
        "input": "May I?",
        "output": [{"text": "look", "kind": "text"}, {"blob": "0" * 64, "kind": "image"}],
        "turns": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": [{"text": "hi", "kind": "text"}]},
        ],
    }


@pytest.mark.parametrize(
    "change",
    [{"input": "May we?"}, {"context": "c"}, {"reference": "r"}, {"turns": ()}, {"output_a": "a"}, {"output_b": "b"}],
)
def test_the_digest_follows_the_content(example, change):
    assert dataclasses.replace(example, **change).content_digest != example.content_digest


@pytest.mark.parametrize("change", [{"id": "e2"}, {"source": "expert"}, {"group": None}, {"weight": 1.0}, {"meta": {}}])
def test_the_digest_ignores_provenance(example, change):
    assert dataclasses.replace(example, **change).content_digest == example.content_digest


def test_text_is_that_of_the_named_fields_in_order(example):
    assert example.text(("output", "turns", "context", "input")) == "look\nhello\nhi\nMay I?"
    assert field_text(None) == field_text("") == field_text(()) == ""
    assert text_of((TextPart(text="a"), ImagePart(blob="0" * 64), TextPart(text="b"))) == "a\nb"
    assert field_text((Turn(role="user", content="a"), Turn(role="tool", content="b"))) == "a\nb"


def test_an_example_without_an_id_is_named_by_its_content():
    first, second = content_id({"output": "a"}), content_id({"output": "b"})
    assert first != second
    assert first == content_id({"output": "a"})
    assert first.startswith("ex-")
    assert len(first) == len("ex-") + 16


def test_a_decision_passes_when_every_gate_did():
    fine = Gate(name="rows", required="≥ 100", measured=120, low=None, high=None, passed=True, why="")
    failed = dataclasses.replace(fine, passed=False, why="too few")
    decision = GateDecision(judge="j", dataset="d", gates=(fine, failed))
    assert (decision.passed, decision.because) == (False, ("too few",))
    assert dataclasses.replace(decision, gates=(fine,)).passed
    assert not dataclasses.replace(decision, gates=()).passed
