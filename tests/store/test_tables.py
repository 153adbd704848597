"""Records as text: what goes in comes out, whatever characters a user's text holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.store.tables import BATCH_ROWS, check_key, from_text, in_batches, to_text


@given(st.text(st.characters(exclude_categories=["Cs"])), st.dictionaries(st.text(max_size=5), st.integers()))
def test_a_record_survives_its_text(text, meta):
    example = Example(id="e1", output=text, meta={key: value for key, value in meta.items() if key.isascii()})
    assert from_text(Example, to_text(example), where="test") == example


def test_a_lone_surrogate_and_a_nul_are_escaped():
    example = Example(id="e1", output="a\ud800b\x00c")
    text = to_text(example)
    assert r'"output":"a\ud800b\u0000c"' in text
    text.encode("utf-8")
    assert from_text(Example, text, where="test") == example


@pytest.mark.parametrize("text", ["", "a\x00b", "a\udfffb"])
def test_what_cannot_stand_in_a_key_is_refused(text):
    with pytest.raises(InputError, match="An id cannot be stored"):
        check_key(text, "An id")


def test_batches_cover_everything_in_order():
    items = list(range(2 * BATCH_ROWS + 1))
    batches = list(in_batches(iter(items)))
    assert [len(batch) for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 1]
    assert [item for batch in batches for item in batch] == items
