"""Texts that are padded together for their attention see what they would see alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.inference.torch.attention import Attention, QueryKeyValue
from assay.inference.torch.text_batch import text_batches

HEADS, KEY_HEADS, WIDTH = 4, 2, 8


def states(tokens, seed):
    made = torch.Generator().manual_seed(seed)
    query, key, value = (
        torch.randn(1, tokens, heads, WIDTH, generator=made) for heads in (HEADS, KEY_HEADS, KEY_HEADS)
    )
    return QueryKeyValue(query=query.transpose(1, 2), key=key.transpose(1, 2), value=value.transpose(1, 2))


def by_hand(given, rows, how):
    """One text and one head at a time, in float64. Gives (tokens, heads, width)."""
    heads = []
    for head in range(HEADS):
        key_head = head // (HEADS // KEY_HEADS)
        query, key, value = given.query[0, head, rows], given.key[0, key_head, rows], given.value[0, key_head, rows]
        scores = how.scale * (query.double() @ key.double().T)
        if how.softcap is not None:
            scores = how.softcap * torch.tanh(scores / how.softcap)
        places = torch.arange(len(query))
        if how.window is not None:
            scores = scores.masked_fill((places[:, None] - places).abs() >= how.window, float("-inf"))
        heads.append(torch.softmax(scores, dim=-1) @ value.double())
    return torch.stack(heads, dim=1)


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12), seed=st.integers(0, 99))
@pytest.mark.parametrize(
    "how", [Attention(scale=0.3), Attention(scale=0.3, window=3), Attention(scale=0.3, softcap=2.0)]
)
@settings(max_examples=25, deadline=None)
def test_each_text_sees_all_of_itself_and_nothing_else(how, lengths, seed):
    given_states = states(sum(lengths), seed)
    output = torch.full((sum(lengths), HEADS, WIDTH), float("nan"))
    for part in text_batches(lengths):
        part.attend(None, given_states, output, how)
    first = 0
    for length in lengths:
        rows = slice(first, first + length)
        assert torch.allclose(output[rows].double(), by_hand(given_states, rows, how), atol=1e-5)
        first += length


def test_texts_of_like_length_go_together_up_to_a_bound():
    assert len(text_batches([30, 30, 28, 27, 5, 200])) == 3
    assert len(text_batches([256] * 8)) == 2
    assert len(text_batches([12, 3000, 12])) == 2
