"""Near-duplicates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.datasets.near_duplicates import (
    PREFIX_CHARS,
    NearTexts,
    jaccard,
    near_duplicate_pairs,
    nearly_among,
    shingles,
)
from assay.datasets.splits import components

PASSWORD = "how do i reset the password of my online banking account"  # noqa: S105 - a sentence


def test_jaccard_by_hand():
    # abcdefg → abcde bcdef cdefg; abcdefh → abcde bcdef cdefh: 2 of 4
    assert jaccard(shingles("abcdefg"), shingles("abcdefh")) == 0.5
    assert jaccard(shingles("abcde"), shingles("abcde")) == 1.0
    assert jaccard(shingles("ab"), shingles("abc")) == 0.0
    assert jaccard(shingles(""), shingles("")) == 1.0
    assert jaccard(np.array([]), np.array([1])) == 0.0


def test_shingles_count_distinct_five_grams():
    assert len(shingles("aaaaaaaaaa")) == 1
    assert len(shingles("abcdefghij")) == 6
    assert len(shingles("😀" * 4 + "ab")) == 2


@pytest.mark.parametrize(
    ("other", "near"),
    [
        (PASSWORD + "?", True),
        (PASSWORD.replace("password", "pasword"), True),
        (PASSWORD.replace("password", "standing order"), False),
        ("where is the nearest branch of the bank on a sunday morning", False),
    ],
)
def test_small_edits_are_near_and_others_are_not(other, near):
    assert (near_duplicate_pairs([PASSWORD, other]) == [(0, 1)]) == near
    known = NearTexts()
    for text in ("something else entirely, in a sentence of its own", PASSWORD, PASSWORD):
        known.add(text)
    assert known.near(other) == ([1, 2] if near else [])
    assert (jaccard(shingles(PASSWORD), shingles(other)) >= 0.8) == near


def test_the_threshold_is_the_exact_similarity():
    # 56 characters, 52 5-grams; "my" → "our" takes 6 of them away and adds 7: 46 of 59
    similarity = jaccard(shingles(PASSWORD), shingles(PASSWORD.replace("my", "our")))
    assert similarity == 46 / 59
    texts = [PASSWORD, PASSWORD.replace("my", "our")]
    assert near_duplicate_pairs(texts, similarity) == [(0, 1)]
    assert near_duplicate_pairs(texts, similarity + 0.01) == []


def test_a_megabyte_is_compared_by_its_beginning():
    long = " ".join(str(n * n) for n in range(150_000))
    assert len(long) > 1_000_000
    assert near_duplicate_pairs([long, long[: PREFIX_CHARS + 5], long[::-1]]) == [(0, 1)]


@settings(max_examples=30)
@given(st.permutations(range(12)))
def test_what_hangs_together_does_not_depend_on_the_order(order):
    chain = [PASSWORD + "!" * n for n in range(4)]
    others = [f"{n} wholly different sentences about {n * 7919} other things" for n in range(3)]
    texts = [*chain, *others, *(text.replace("reset", "change") for text in chain), "short"]

    def tied(positions):
        names = [f"t{position:02}" for position in positions]
        pairs = near_duplicate_pairs([texts[position] for position in positions])
        return dict(zip(names, components(names, [[] for _ in names], pairs), strict=True))

    assert tied(order) == tied(range(12))


def test_almost_all_pairs_just_above_the_threshold_are_found():
    random = np.random.default_rng(7)
    missed = found = 0
    for _ in range(150):
        letters = "".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), 300))
        edited = letters[:150] + "#" + letters[151:270] + "$" * 18 + letters[288:]
        if jaccard(shingles(letters), shingles(edited)) >= 0.8:
            found += 1
            missed += near_duplicate_pairs([letters, edited]) == []
    assert found == 150
    assert missed <= 2


def test_a_text_may_tie_two_that_are_not_near_each_other():
    numbers = " ".join(str(n * n) for n in range(100))
    left, right = "#" * 45 + numbers[45:], numbers[:-45] + "$" * 45
    assert (
        jaccard(shingles(left), shingles(right))
        < 0.8
        <= min(jaccard(shingles(side), shingles(numbers)) for side in (left, right))
    )
    assert near_duplicate_pairs([left, right, numbers]) == [(0, 2), (1, 2)]


@pytest.mark.parametrize("seed", range(3))
def test_it_ties_what_comparing_all_with_all_ties(seed):
    """Variants of few templates: many candidates in one band, some near, some not."""
    random = np.random.default_rng(seed)
    templates = [" ".join(random.choice(list("abcdefghij"), 8)) + f" template number {n} says: " for n in range(3)]
    texts = [templates[n % 3] + "".join(random.choice(list("klmnop"), random.integers(4, 12))) for n in range(90)]
    grams = [shingles(text) for text in texts]
    all_pairs = [(a, b) for b in range(90) for a in range(b) if jaccard(grams[a], grams[b]) >= 0.8]
    names, none = [f"t{n:02}" for n in range(90)], [[]] * 90
    found = near_duplicate_pairs(texts)
    assert len(set(found)) == len(found) < len(all_pairs)
    assert components(names, none, found) == components(names, none, all_pairs)


def test_near_duplicates_among_others():
    others = [PASSWORD, "where is the nearest branch of the bank on a sunday morning"]
    texts = ["an unlike sentence altogether", PASSWORD + "!", PASSWORD + "?!", others[1]]
    assert nearly_among(texts, others).tolist() == [False, True, True, True]
    assert nearly_among(texts, []).tolist() == [False] * 4
    assert nearly_among([], others).tolist() == []
