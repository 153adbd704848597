"""The engine: one score a row, in order, whoever stands beside it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.inference.torch_engine import (
    TorchEngine,
    best_device,
    best_dtype,
    length_batches,
    padded,
    torch_dtype,
)
from assay.models.backbone import find_backbone
from assay.models.small_judge_model import new_model
from assay.models.tokens import TokenRow

LENGTHS = st.lists(st.integers(1, 200), max_size=60)


def rows_of(lengths: list[int], seed: int = 0) -> list[TokenRow]:
    numbers = np.random.default_rng(seed)
    return [TokenRow(ids=tuple(numbers.integers(6, 150, length).tolist()), truncated_tokens=0) for length in lengths]


@pytest.fixture(scope="module")
def engine_of(tiny):
    def make(kind: str = "bert", token_budget: int = 4096) -> TorchEngine:
        backbone = find_backbone(str(tiny(kind)))
        torch.manual_seed(0)  # after the backbone was made: making it draws numbers too
        ids = (5, 6, 7) if backbone.family == "decoder" else ()
        model = new_model(backbone, "lora", 3, ids)
        return TorchEngine(model, device=torch.device("cpu"), token_budget=token_budget)

    return make


@given(LENGTHS, st.integers(1, 1000))
def test_batches_hold_every_row_once_within_the_budget(lengths, budget):
    batches = list(length_batches(lengths, budget))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    assert all(batches)
    for batch in batches:
        longest = max(lengths[place] for place in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(LENGTHS, st.integers(1, 1000))
def test_batches_are_sorted_and_as_large_as_the_budget_allows(lengths, budget):
    batches = list(length_batches(lengths, budget))
    flat = [lengths[place] for batch in batches for place in batch]
    assert flat == sorted(lengths, reverse=True)
    for batch in batches[:-1]:
        assert (len(batch) + 1) * lengths[batch[0]] > budget


def test_rows_of_one_length_keep_their_order():
    assert list(length_batches([5, 5, 5, 5], 10)) == [[0, 1], [2, 3]]


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=6))
def test_padding_is_on_the_right_and_masked(rows):
    ids, mask = padded(rows, 0)
    assert ids.shape == mask.shape == (len(rows), max(map(len, rows)))
    for place, row in enumerate(rows):
        assert ids[place, : len(row)].tolist() == row
        assert ids[place, len(row) :].sum() == 0
        assert mask[place].tolist() == [1] * len(row) + [0] * (ids.shape[1] - len(row))


@pytest.mark.parametrize("kind", ["bert", "deberta", "llama", "qwen3", "gemma2"])
def test_scores_do_not_depend_on_the_rows_beside(engine_of, kind):
    rows = rows_of([3, 40, 1, 17, 17, 60, 2, 33, 8])
    together = engine_of(kind).score(rows)
    small = engine_of(kind, token_budget=70).score(rows)
    alone = np.concatenate([engine_of(kind).score([row]).scores for row in rows])
    backwards = engine_of(kind).score(rows[::-1]).scores[::-1]
    assert together.scores.shape == (9, 3)
    for other in (small.scores, alone, backwards):
        assert np.abs(together.scores - other).max() < 1e-5
    assert np.ptp(together.scores[:, 0]) > 1e-3  # rows do differ


def test_scores_are_log_probabilities(engine_of):
    scores = engine_of().score(rows_of([5, 9])).scores
    assert scores.dtype == np.float64
    assert np.allclose(np.exp(scores).sum(axis=1), 1)
    assert (scores < 0).all()


def test_batches_stay_within_the_budget_and_are_told(engine_of):
    told: list[int] = []
    lengths = [10, 50, 20, 30, 40, 5]
    scored = engine_of(token_budget=60).score(rows_of(lengths), told.append)
    assert told == [len(batch) for batch in length_batches(lengths, 60)] == [1, 1, 2, 2]
    assert scored.latency_ms.shape == (6,)
    assert (scored.latency_ms > 0).all()
    assert scored.latency_ms[2] == scored.latency_ms[3]  # rows of one batch took the same time


def test_a_row_over_the_budget_goes_alone(engine_of):
    rows = rows_of([100, 2])
    assert np.isfinite(engine_of(token_budget=10).score(rows).scores).all()


def test_no_rows_are_refused(engine_of):
    with pytest.raises(ValueError, match="at least one row"):
        engine_of().score([])


def test_dropout_is_off(engine_of):
    engine, rows = engine_of(), rows_of([12, 30])
    assert np.array_equal(engine.score(rows).scores, engine.score(rows).scores)


def test_the_machine_is_known():
    assert best_device().type in ("cpu", "cuda")
    assert torch_dtype(best_dtype()) in (torch.float32, torch.bfloat16)
    assert torch_dtype("float32") == torch.float32
