"""The expected gain."""

import numpy as np

from assay.labelling.gain import LabelledTexts, expected_gain


def rows(n, seed=0):
    random = np.random.default_rng(seed)
    words = [f"w{number}" for number in range(60)]
    texts, targets = [], []
    for _ in range(n):
        positive = random.random() < 0.5
        signs = words[:20] if positive else words[20:40]
        texts.append(" ".join([*random.choice(words, 8), *random.choice(signs, 2)]))
        targets.append("yes" if positive else "no")
    return LabelledTexts(texts=texts, targets=targets, groups=[str(number) for number in range(n)])


def test_too_few_labels_and_it_is_not_known():
    found = expected_gain(rows(40), 100, uniform_share=1.0)
    assert found.f1 is None
    assert "not known: 40 rows" in found.sentence()
    assert found.share_within == expected_gain(rows(0), 100, uniform_share=1.0).share_within
    assert round(found.share_within, 3) == 0.096  # Wilson's half width at 50 of 100


def test_where_more_rows_help_a_gain_is_stated_with_an_interval():
    found = expected_gain(rows(160), 160, uniform_share=1.0)
    assert found.f1.value > 0
    assert found.f1.low < found.f1.value < found.f1.high
    assert "of your judge" in found.sentence()


def test_only_the_first_doubling_is_read_off():
    once, thrice = (expected_gain(rows(160), budget, uniform_share=1.0) for budget in (160, 480))
    assert once.f1 == thrice.f1
    assert "first doubling only" in thrice.sentence()
    half = expected_gain(rows(160), 66, uniform_share=1.0)  # log2(1 + 66/160) = 0.4986
    assert abs(half.f1.value / once.f1.value - 0.4986) < 0.001
