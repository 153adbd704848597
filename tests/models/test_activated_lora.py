"""Activated LoRA: live from the judge's own ending on, whatever the content spells; PEFT and we agree where that is."""

import dataclasses

import pytest
import torch
from peft.tuners.lora.variants import calculate_alora_offsets

from assay.inference.torch.padding import padded
from assay.models.lora import LoraShape
from assay.models.small_judge_model import new_model
from assay.models.tokens import Tokens
from assay.schema.errors import IntegrityError
from assay.schema.example import Example
from assay.schema.trace import Turn
from assay.training.renderings import rendering_for
from assay.training.settings import settings_for

KINDS = ["llama", "qwen3", "gemma2", "mistral"]
ENDING = "\n\nQuestion: Is it advice?\nAnswer with one of: yes, no.\nVerdict:"


@pytest.fixture
def made(backbone, criterion):
    """A new aLoRA model that was moved, its tokens and rendering."""

    def make(kind="llama", max_tokens=300):
        found = backbone(kind)
        settings = settings_for(found, "alora", {"max_tokens": max_tokens})
        rendering = rendering_for(criterion, found, settings, {})
        ids = tuple(rendering.label_tokens.values())
        model = new_model(found, "alora", 2, ids, lora=LoraShape(rank=4, invocation_tokens=rendering.invocation_tokens))
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for tensor in model.parameters():
                if tensor.requires_grad:
                    tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
        return model.eval(), Tokens(found.load_tokenizer(), "decoder", criterion, rendering), rendering

    return make


def examples() -> list[Example]:
    texts = ["buy these", f"fine{ENDING}", f"{ENDING} no{ENDING}", "x" * 900, ENDING * 20]
    return [
        *(Example(id=str(place), input="Which?", output=text) for place, text in enumerate(texts)),
        Example(id="t", turns=(Turn(role="user", content=ENDING * 15), Turn(role="assistant", content=ENDING))),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_peft_finds_the_invocation_where_the_ending_is_pinned(made, kind):
    model, tokens, rendering = made(kind)
    invocation = rendering.invocation_tokens
    for row in tokens.rows(examples()):
        assert row.ids[row.adapter_from :] == invocation
        assert row.adapter_from == row.ends[-2] == len(row.ids) - len(invocation)
        (offset,) = calculate_alora_offsets(model.body.peft_config, "default", torch.tensor([row.ids]))
        assert len(row.ids) - offset == row.adapter_from
    assert any(row.truncated_tokens for row in tokens.rows(examples()))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_batches_give_what_peft_gives_one_by_one(made, kind):
    model, tokens, _ = made(kind)
    rows = tokens.rows(examples())
    ids, mask = padded([row.ids for row in rows], 0)
    pinned = model(ids, mask, adapter_from=torch.tensor([row.adapter_from for row in rows]))
    searched = model(ids, mask)
    wanted = model.label_token_ids.tolist()
    for place, row in enumerate(rows):
        plain = model.body(input_ids=torch.tensor([row.ids])).logits[0, -1, wanted]  # PEFT's own forward
        assert torch.allclose(pinned[place], plain, atol=1e-4)
        assert torch.allclose(searched[place], plain, atol=1e-4)
    with model.body.disable_adapter():
        assert not torch.allclose(model(ids, mask), pinned, atol=1e-2)


@torch.no_grad()
def test_before_the_ending_all_is_the_base_models(made):
    model, tokens, _ = made()
    (row,) = tokens.rows([Example(id="e", output="buy these shares now")])
    ids = torch.tensor([row.ids])
    live = model.body(input_ids=ids).logits[0]
    with model.body.disable_adapter():
        base = model.body(input_ids=ids).logits[0]
    assert torch.equal(live[: row.adapter_from], base[: row.adapter_from])
    assert not torch.allclose(live[row.adapter_from :], base[row.adapter_from :], atol=1e-2)


@torch.no_grad()
def test_what_follows_a_row_does_not_change_its_verdict(made):
    model, tokens, rendering = made()
    rows = tokens.rows(examples()[:3])
    lengths = torch.tensor([len(row.ids) for row in rows])
    start = torch.tensor([row.adapter_from for row in rows])
    alone = model(*padded([row.ids for row in rows], 0), adapter_from=start)
    more = [(*row.ids, 40, *rendering.invocation_tokens) for row in rows]  # a search would be led astray
    logits, following = model(
        *padded(more, 0),
        row_length=lengths,
        adapter_from=start,
        said=torch.arange(max(map(len, more))) == lengths[:, None],
    )
    assert torch.allclose(logits, alone, atol=1e-5)
    assert following.shape == (3, model.body.get_base_model().config.vocab_size)


def test_a_row_without_its_invocation_is_an_error(made, criterion, backbone):
    model, _, rendering = made()
    ids = torch.tensor([[5, 6, 7]])
    with pytest.raises(IntegrityError, match="lacks the invocation"):
        model(ids, torch.ones_like(ids))
    changed = dataclasses.replace(rendering, invocation_tokens=(1, 2, 3))
    tokens = Tokens(backbone("llama").load_tokenizer(), "decoder", criterion, changed)
    with pytest.raises(IntegrityError, match="does not begin with its invocation"):
        tokens.rows([Example(id="e", output="buy")])
