"""The two ways of multiplying attention agree, and both agree with a mask written by hand."""

import math

import pytest
import torch

from assay.inference.torch.attention import Attention, Block, fused, packed_attention, written_out


def by_hand(queries, keys, values, seen, scale, softcap):
    """One head at a time, in float64."""
    groups = queries.shape[0] // keys.shape[0]
    heads = []
    for head in range(queries.shape[0]):
        scores = scale * (queries[head].double() @ keys[head // groups].double().T)
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        scores = scores.masked_fill(~seen, -math.inf)
        heads.append(torch.softmax(scores, dim=-1) @ values[head // groups].double())
    return torch.stack(heads)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("softcap", [None, 3.0])
def test_written_out_attention_is_attention(window, softcap):
    queries, keys, values = numbers(6, 5, 8), numbers(2, 9, 8, seed=1), numbers(2, 9, 8, seed=2)
    block = Block(
        queries=(slice(0, 5),),
        earlier=(),
        keys=(slice(0, 9),),
        query_positions=torch.arange(4, 9),
        key_positions=torch.arange(9),
    )
    distance = torch.arange(4, 9)[:, None] - torch.arange(9)[None, :]
    seen = (distance >= 0) & (distance < (window or 99))
    got = written_out(queries, keys, values, block.mask(window, 3, queries), Attention(scale=0.3, softcap=softcap))
    expected = by_hand(queries, keys, values, seen, 0.3, softcap)
    assert torch.allclose(got.double(), expected, atol=1e-5)
    if softcap is None:
        block.masks.clear()
        mask = block.mask(window, 1, queries)
        again = fused(queries[None], keys[None], values[None], mask, Attention(scale=0.3))[0]
        assert torch.allclose(again.double(), expected, atol=1e-5)


def test_endings_side_by_side_do_not_see_each_other():
    block = Block(
        queries=(slice(2, 6),),
        earlier=(),
        keys=(slice(0, 2), slice(2, 6)),
        query_positions=torch.tensor([2, 3, 2, 3]),
        key_positions=torch.tensor([0, 1, 2, 3, 2, 3]),
        query_owners=torch.tensor([0, 0, 1, 1]),
        key_owners=torch.tensor([-1, -1, 0, 0, 1, 1]),
    )
    mask = block.mask(None, 1, torch.zeros(1))
    assert mask is not None
    assert (mask == 0).int().tolist() == [
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]


def test_a_window_that_reaches_everything_needs_no_mask_of_its_own():
    places = torch.arange(3)
    block = Block(
        queries=(slice(2, 3),), earlier=(), keys=(slice(0, 3),), query_positions=places[2:], key_positions=places
    )
    assert block.mask(3, 1, torch.zeros(1)) is None
    assert block.mask(2, 1, torch.zeros(1)).tolist() == [[-math.inf, 0.0, 0.0]]


def test_attention_outside_a_pass_is_a_defect():
    with pytest.raises(RuntimeError, match="outside a pass"):
        packed_attention(None, numbers(1, 2, 3, 4), numbers(1, 2, 3, 4), numbers(1, 2, 3, 4), None)
