"""What training minimises, against values worked by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay.schema.criterion import Level, Scale
from assay.training.loop import calibrated_loss
from assay.training.objectives import class_weights, loss_of, target_table


def scale(kind: str, labels: str = "abc") -> Scale:
    positive = labels[0] if kind == "binary" else None
    return Scale(kind=kind, levels=tuple(Level(label=label) for label in labels), positive=positive)


def test_balanced_weights_give_each_class_the_same_sum():
    targets = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 2])
    weights = class_weights(np.eye(3)[targets], balanced=True)
    assert weights.tolist() == pytest.approx([10 / 18, 10 / 6, 10 / 6])
    sums = [float(weights[code]) * int((targets == code).sum()) for code in range(3)]
    assert sums == pytest.approx([10 / 3] * 3)


def test_weights_without_balance_and_of_an_absent_class():
    assert class_weights(np.eye(2)[[0, 0, 1]], balanced=False).tolist() == [1.0, 1.0]
    assert class_weights(np.eye(2)[[0, 0]], balanced=True).tolist() == [0.5, 1.0]


@pytest.mark.parametrize("kind", ["binary", "categorical"])
def test_targets_are_hard_unless_ordinal(kind):
    labels = "ab" if kind == "binary" else "abc"
    assert torch.equal(target_table(scale(kind, labels)), torch.eye(len(labels)))


def test_ordinal_targets_fall_off_with_distance():
    table = target_table(scale("ordinal"))
    total = 1 + math.exp(-2) + math.exp(-4)
    middle = 1 + 2 * math.exp(-2)
    assert table[0].tolist() == pytest.approx([1 / total, math.exp(-2) / total, math.exp(-4) / total])
    assert table[1].tolist() == pytest.approx([math.exp(-2) / middle, 1 / middle, math.exp(-2) / middle])
    assert table[2].tolist() == pytest.approx(table[0].tolist()[::-1])


def test_loss_by_hand():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, math.log(4)]])
    # −ln ¾ and −ln ⅕ with weights 1 and 3
    loss = loss_of(logits, torch.eye(2)[[0, 0]], torch.tensor([1.0, 3.0]), torch.eye(2))
    assert float(loss) == pytest.approx((math.log(4 / 3) + math.log(5)) / 2)
    loss = loss_of(logits, torch.eye(2)[[0, 1]], torch.tensor([1.0, 3.0]), torch.eye(2))
    assert float(loss) == pytest.approx((math.log(4 / 3) + 3 * math.log(5 / 4)) / 4)


def test_a_soft_row_is_so_many_fractional_rows():
    """A row of ¾ a and ¼ b, with classes weighing 1 and 3, is ¾ of a row a and ¼ of a row b that counts three times."""
    logits = torch.tensor([[math.log(3), 0.0]])  # ¾ and ¼
    loss = loss_of(logits, torch.tensor([[0.75, 0.25]]), torch.tensor([1.0, 3.0]), torch.eye(2))
    assert float(loss) == pytest.approx((0.75 * math.log(4 / 3) + 0.75 * math.log(4)) / 1.5)
    parts = torch.tensor([[math.log(3), 0.0]] * 4)
    whole = loss_of(parts, torch.eye(2)[[0, 0, 0, 1]], torch.tensor([1.0, 3.0]), torch.eye(2))
    assert float(loss) == pytest.approx(float(whole))


def test_a_soft_row_of_an_ordinal_scale_mixes_what_its_levels_would_teach():
    table, logits = target_table(scale("ordinal")), torch.tensor([[0.3, -0.2, 0.9]])
    soft = loss_of(logits, torch.tensor([[0.5, 0.5, 0.0]]), torch.ones(3), table)
    each = [float(loss_of(logits, torch.eye(3)[[place]], torch.ones(3), table)) for place in (0, 1)]
    assert float(soft) == pytest.approx(sum(each) / 2)


def test_classes_of_soft_rows_weigh_the_same_in_all():
    shares = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    weights = class_weights(shares, balanced=True)
    assert weights.tolist() == pytest.approx([4 / 6, 2.0])
    assert (shares.sum(axis=0) * weights.numpy()).tolist() == pytest.approx([2.0, 2.0])


def test_autocast_does_not_round_the_targets():
    logits, shares = torch.tensor([[1.0, 2.0], [0.5, -1.0]]), torch.tensor([[0.7, 0.3], [0.1, 0.9]])
    weights = torch.tensor([1.2345, 0.7891])
    plain = loss_of(logits, shares, weights, torch.eye(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss_of(logits, shares, weights, torch.eye(2)), plain)


def test_a_near_miss_costs_less_on_an_ordinal_scale():
    def loss(guess: int, table: torch.Tensor) -> float:
        logits = torch.full((1, 3), -4.0)
        logits[0, guess] = 4.0
        return float(loss_of(logits, torch.eye(3)[[0]], torch.ones(3), table))

    ordinal = target_table(scale("ordinal"))
    assert loss(0, ordinal) < loss(1, ordinal) < loss(2, ordinal)
    assert loss(1, torch.eye(3)) == pytest.approx(loss(2, torch.eye(3)))


def test_the_loss_is_in_float32_whatever_the_logits():
    logits = torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16)
    assert loss_of(logits, torch.eye(2)[[1]], torch.ones(2), torch.eye(2)).dtype == torch.float32


def test_calibrated_loss_by_hand():
    """Two of three right, all with one margin: the best temperature makes the confidence ⅔, the loss its entropy."""
    logits, labels = np.array([[0.0, 9.0], [9.0, 0.0], [0.0, 9.0]]), np.array([1, 0, 0])
    entropy = -(2 / 3) * math.log(2 / 3) - (1 / 3) * math.log(1 / 3)
    loss, error = calibrated_loss(logits, labels)
    assert loss == pytest.approx(entropy, abs=1e-4)
    assert error == pytest.approx(math.sqrt(2 / 9) * math.log(2) / math.sqrt(3), abs=1e-4)  # rows: log 1.5 twice, log 3


@given(arrays(float, (12, 3), elements=st.floats(-5, 5)), arrays(int, 12, elements=st.integers(0, 2)))
def test_calibrated_loss_is_the_least_over_temperatures(logits, labels):
    loss, _ = calibrated_loss(logits, labels)
    shifted = logits - logits.max(axis=1, keepdims=True)
    plain = -(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))[np.arange(12), labels].mean()
    assert loss <= plain + 1e-6
    assert calibrated_loss(logits + 3.0, labels)[0] == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("factor", [0.2, 0.5, 2.0, 5.0])
def test_calibrated_loss_forgives_confidence(factor):
    """Where the best temperature is neither 0 nor endless: labels drawn by the chances that the logits give."""
    numbers = np.random.default_rng(0)
    logits = 2 * numbers.normal(size=(200, 3))
    labels = (logits + numbers.gumbel(size=logits.shape)).argmax(axis=1)
    loss, _ = calibrated_loss(logits, labels)
    assert 0.5 < loss < 1.0  # log 3 is 1.1
    assert calibrated_loss(logits * factor, labels)[0] == pytest.approx(loss, abs=1e-4)


def test_calibrated_loss_sees_worse_separation():
    logits = np.array([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]])
    right, one_wrong = np.array([0, 1, 0, 1]), np.array([0, 1, 0, 0])
    assert calibrated_loss(logits, right)[0] < 0.01 < calibrated_loss(logits, one_wrong)[0]
