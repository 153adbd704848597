"""Fitting: properties that hold for every example, and cases worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.rendering.fitting import DEFAULT_TRUNCATE, Fitted, fit
from assay.rendering.segments import SEPARATOR, content, template
from assay.schema.errors import InputError

FIELDS = st.sampled_from(DEFAULT_TRUNCATE)
SEGMENTS = st.one_of(
    st.builds(content, st.just("…"), FIELDS),
    st.builds(template, st.just("t")),
    st.builds(template, st.just("role"), st.just("turns")),
    st.just(SEPARATOR),
)
RENDERED = st.lists(st.tuples(SEGMENTS, st.integers(0, 40)), min_size=1, max_size=15)


def fixed_tokens(segments, lengths):
    return sum(length for segment, length in zip(segments, lengths, strict=True) if segment.field is None)


@given(RENDERED, st.integers(0, 150), st.permutations(DEFAULT_TRUNCATE))
def test_what_stays(rendered, max_tokens, truncate):
    segments, lengths = [segment for segment, _ in rendered], [length for _, length in rendered]
    if fixed_tokens(segments, lengths) > max_tokens:
        with pytest.raises(InputError, match="does not fit"):
            fit(segments, lengths, max_tokens, truncate)
        return
    fitted = fit(segments, lengths, max_tokens, truncate)
    kept = [last - first for first, last in fitted.ranges]
    # never over the window, and never less than what fits
    assert sum(kept) == min(sum(lengths), max_tokens)
    assert fitted.truncated_tokens == sum(lengths) - sum(kept)
    for (first, last), segment, length in zip(fitted.ranges, segments, lengths, strict=True):
        assert 0 <= first <= last <= length
        if segment.field is None:
            assert (first, last) == (0, length)
        else:
            assert (last == length) if segment.field == "turns" else (first == 0)


@given(RENDERED, st.integers(0, 150), st.permutations(DEFAULT_TRUNCATE))
def test_fields_are_cut_in_the_declared_order(rendered, max_tokens, truncate):
    segments, lengths = [segment for segment, _ in rendered], [length for _, length in rendered]
    if fixed_tokens(segments, lengths) > max_tokens:
        return
    fitted = fit(segments, lengths, max_tokens, truncate)
    left = dict.fromkeys(truncate, 0)
    cut = dict.fromkeys(truncate, 0)
    for (first, last), segment, length in zip(fitted.ranges, segments, lengths, strict=True):
        if segment.field is not None:
            left[segment.field] += last - first
            cut[segment.field] += length - (last - first)
    touched = [place for place, field in enumerate(truncate) if cut[field]]
    if touched:
        assert all(left[field] == 0 for field in truncate[: touched[-1]])


def test_turns_lose_their_beginning_and_others_their_end():
    segments = [
        template("user: ", "turns"),
        content("…", "turns"),
        template("user: ", "turns"),
        content("…", "turns"),
        SEPARATOR,
        content("…", "output"),
        content("…", "output"),
    ]
    lengths = [2, 10, 2, 10, 1, 10, 10]
    assert fit(segments, lengths, 35, ("turns", "output")) == Fitted(
        ranges=((2, 2), (8, 10), (0, 2), (0, 10), (0, 1), (0, 10), (0, 10)), truncated_tokens=10
    )
    assert fit(segments, lengths, 30, ("output", "turns")) == Fitted(
        ranges=((0, 2), (0, 10), (0, 2), (0, 10), (0, 1), (0, 5), (0, 0)), truncated_tokens=15
    )


def test_what_fits_is_untouched():
    assert fit([content("…", "input"), template("?")], [5, 3], 8) == Fitted(ranges=((0, 5), (0, 3)), truncated_tokens=0)


def test_the_refusal_says_how_much_room_the_template_needs():
    with pytest.raises(InputError, match=r"at most 2 tokens.*Got: 3 tokens without any content.*--max-tokens"):
        fit([content("…", "input"), template("?")], [5, 3], 2)
