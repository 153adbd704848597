"""What makes an example worth a label."""

import math

import numpy as np
import pytest

from assay.labelling.scores import Opinion, coverage, disagreement, opinion_of, uncertainty
from assay.schema.verdict import Abstained, Decided, Failed

SHARES = {"yes": 0.9, "no": 0.1}


def test_a_verdict_becomes_an_opinion():
    common = {"scores": {}, "judge": "advice-00000000", "latency_ms": 1.0}
    decided = Decided(label="yes", probability=0.9, probabilities=SHARES, **common)
    abstained = Abstained(reason="close", probabilities=SHARES, **common)
    failed = Failed(reason="broken", action="allow-and-flag", judge="advice-00000000")
    assert opinion_of(decided) == Opinion(label="yes", probabilities=SHARES)
    assert opinion_of(abstained) == Opinion(label=None, probabilities=SHARES)
    assert opinion_of(failed) == Opinion(label=None)


def test_doubt_is_entropy_over_that_of_equal_shares():
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1)) / math.log(2)
    three = Opinion(label="a", probabilities={"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    sure = Opinion(label="a", probabilities={"a": 1.0, "b": 0.0})
    found = uncertainty([Opinion(label="yes", probabilities=SHARES), three, sure, Opinion(label=None)])
    assert found == pytest.approx([entropy, 1.0, 0.0, 1.0])


def test_disagreement_is_half_the_distance_of_the_shares():
    yes = Opinion(label="yes", probabilities=SHARES)
    assert disagreement([yes], [Opinion(label="no")]) == pytest.approx([0.9])
    assert disagreement([yes], [Opinion(label="maybe")]) == pytest.approx([1.0])
    assert disagreement([yes, None], [Opinion(label=None), yes]).tolist() == [0.0, 0.0]


def test_each_slice_weighs_the_same():
    found = coverage(["a"] * 3 + ["b"])
    assert found == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1.0])
    assert np.isclose(found[:3].sum(), found[3])
