"""Batches: every row once an epoch, rows of like length together, the same order again after a kill."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.models.tokens import TokenRow
from assay.training.batches import POOL_BATCHES, Collator, Continuation, LengthGroupedSampler, training_rows

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=300)


def epochs_of(lengths, batch_size, seed=0, epochs=1):
    sampler = LengthGroupedSampler(lengths, batch_size, seed)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        yield list(sampler)


@given(LENGTHS, st.integers(1, 33), st.integers(0, 5))
def test_each_row_comes_once_an_epoch(lengths, batch_size, seed):
    for order in epochs_of(lengths, batch_size, seed, epochs=3):
        assert sorted(order) == list(range(len(lengths)))
    assert len(LengthGroupedSampler(lengths, batch_size, seed)) == len(lengths)


@given(LENGTHS, st.integers(1, 33))
def test_the_order_hangs_on_seed_and_epoch_alone(lengths, batch_size):
    first, second = epochs_of(lengths, batch_size, epochs=2)
    late = LengthGroupedSampler(lengths, batch_size, 0)
    late.set_epoch(1)
    assert list(late) == second
    assert list(late) == second
    assert [first, second] == list(epochs_of(lengths, batch_size, epochs=2))


def test_epochs_and_seeds_differ():
    lengths = np.random.default_rng(0).integers(1, 200, 500).tolist()
    orders = [tuple(order) for seed in range(3) for order in epochs_of(lengths, 16, seed, epochs=3)]
    assert len(set(orders)) == 9


@given(st.integers(1, 40), st.integers(1, 17))
def test_only_the_last_batch_is_short(rows, batch_size):
    """Rows of one pool: a batch holds rows that are neighbours in length, and the short one comes last."""
    rows = min(rows, batch_size * POOL_BATCHES)
    lengths = list(range(rows))
    (order,) = epochs_of(lengths, batch_size)
    batches = [order[start : start + batch_size] for start in range(0, rows, batch_size)]
    for batch in batches:
        assert sorted(batch) == list(range(min(batch), min(batch) + len(batch)))
    if rows % batch_size:
        assert len(batches[-1]) == rows % batch_size
        assert rows - 1 in batches[-1]


def test_batches_pad_little_and_are_not_sorted():
    lengths = np.random.default_rng(1).lognormal(4, 0.8, 2000).astype(int).clip(1, 500)
    (order,) = epochs_of(lengths.tolist(), 16)
    batches = [lengths[order[start : start + 16]] for start in range(0, 2000, 16)]
    padded = sum(len(batch) * batch.max() for batch in batches)
    plain = sum(16 * lengths[start : start + 16].max() for start in range(0, 2000, 16))
    assert padded < 1.6 * lengths.sum()
    assert plain > 3 * lengths.sum()
    longest = [batch.max() for batch in batches]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3


def test_a_batch_is_padded_to_its_longest():
    rows = [TokenRow(ids=(5, 6, 7), truncated_tokens=0), TokenRow(ids=(8,), truncated_tokens=2)]
    batch = Collator(pad_id=9)(training_rows(rows, np.eye(2)[[1, 0]]))
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [1, 0]
    assert batch["labels"].dtype == torch.int64
    assert batch["shares"].tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_what_is_said_after_a_row_is_marked():
    rows = [TokenRow(ids=(5, 6), truncated_tokens=0, adapter_from=1), TokenRow(ids=(7, 8, 9), truncated_tokens=0)]
    more = [Continuation(label_token=40, said=(50, 51, 2)), None]
    batch = Collator(pad_id=0)(training_rows(rows, np.eye(2)[[1, 0]], more))
    assert batch["input_ids"].tolist() == [[5, 6, 40, 50, 51, 2], [7, 8, 9, 0, 0, 0]]
    assert batch["attention_mask"].sum(dim=1).tolist() == [6, 3]
    assert batch["row_length"].tolist() == [2, 3]
    assert batch["adapter_from"].tolist() == [1, 0]
    # at the label's token the first word is wanted, at the last word the end token
    assert batch["said"].tolist() == [[False, False, True, True, True, False], [False] * 6]


def test_rows_and_targets_go_together():
    with pytest.raises(ValueError, match="shorter"):
        training_rows([TokenRow(ids=(5,), truncated_tokens=0)], np.zeros((0, 2)))
