"""Errors are sentences; a user's text never comes out whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.schema.errors import AssayError, ConflictError, InputError, IntegrityError, NotFoundError, shown


def test_the_parts_are_told_in_order():
    error = InputError("A label is unknown.", required="yes or no", got="'maybe'", next_step="correct the row")
    assert str(error) == "A label is unknown. Required: yes or no. Got: 'maybe'. Next: correct the row."
    assert error.to_dict() == {
        "code": "bad-input",
        "problem": "A label is unknown.",
        "required": "yes or no",
        "got": "'maybe'",
        "next_step": "correct the row",
    }


def test_empty_parts_are_left_out():
    assert str(NotFoundError("Nothing there.")) == "Nothing there."
    assert NotFoundError("Nothing there.").to_dict() == {"code": "not-found", "problem": "Nothing there."}


def test_codes_differ():
    kinds = (AssayError, InputError, NotFoundError, ConflictError, IntegrityError)
    assert len({kind.code for kind in kinds}) == len(kinds)


@given(st.text(max_size=300), st.integers(4, 120))
def test_shown_is_bounded(text, limit):
    cut = shown(text, limit=limit)
    if len(repr(text)) <= limit:
        assert cut == repr(text)
    else:
        assert cut.startswith(repr(text)[: limit - 3])
        assert len(cut) <= limit + len("… (1000 characters)")
        assert f"({len(repr(text))} characters)" in cut


@pytest.mark.parametrize("value", ["\x00\x1b[31m", "\u202e", "a\nb"])
def test_shown_has_no_control_characters(value):
    assert shown(value).isprintable()
