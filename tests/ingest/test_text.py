"""What text can be stored, what can be seen, what is the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.ingest.text import is_visible, normal_form, unstorable


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"input": "a\x00"}, "input: a NUL character at position 2"),
        ({"input": "\ud800"}, "input: half of a surrogate pair at position 1"),
        ({"meta": {"a\x00": 1}}, "meta: a key: a NUL character at position 2"),
        ({"meta": {"scores": [1.0, float("nan")]}}, "meta.scores.1: nan is not a finite number"),
        ({"meta": {"x": float("inf")}}, "meta.x: inf is not a finite number"),
    ],
)
def test_what_cannot_be_stored_is_named(value, problem):
    assert unstorable(value) == problem


def test_other_control_characters_special_tokens_and_pairs_are_stored():
    assert unstorable({"input": "bell \x07 escape \x1b[0m <|eot_id|> [/INST] 😀"}) is None


def test_a_bottomless_nest_is_refused():
    nest = []
    for _ in range(150):
        nest = [nest]
    assert "nested more than 100 levels deep" in unstorable({"meta": nest})


def test_a_text_of_control_characters_is_not_visible():
    assert not is_visible("\x07\x1b\u200b\ufeff \n")
    assert not is_visible("")
    assert is_visible("\x07!")


@given(st.text())
def test_the_normal_form_is_stable_and_blind_to_case_and_space(text):
    folded = normal_form(text)
    assert normal_form(f"  {folded}\n") == normal_form(folded)
    assert normal_form(text.replace(" ", " \t\n ")) == folded
