"""Options of `assay train` that cannot be: status 2, one sentence, nothing trained."""

import pytest
from shop import Shop, tree


@pytest.fixture
def decoder(tiny) -> str:
    return str(tiny("llama"))


def refused(shop: Shop, *words: str) -> dict[str, str]:
    before = tree(shop.root)
    error = shop.run("train", "advice", *words, "--json").error
    assert tree(shop.root) == before
    assert len(shop.ok("list")["versions"]) == 1
    return error


@pytest.mark.parametrize(
    ("words", "part", "text"),
    [
        (("--method", "alora"), "required", "a decoder backbone"),
        (("--method", "alroa"), "next_step", "did you mean 'alora'?"),
        (("--method", "lora", "--lora-layers", "top:0"), "required", "top:1 to top:2"),
        (("--method", "lora", "--lora-layers", "top:99"), "required", "top:1 to top:2"),
        (("--method", "lora", "--lora-layers", "alll"), "next_step", "did you mean 'all'?"),
        (("--method", "lora", "--lora-layers", "top"), "required", "--lora-layers all or --lora-layers top:K"),
        (("--method", "lora", "--lora-layers", "top:-1"), "required", "--lora-layers all or --lora-layers top:K"),
        (("--method", "full", "--lora-layers", "top:1"), "got", "--lora-layers top:1 with --method full"),
        (("--explanation-weight", "-1"), "required", "0 or more"),
        (("--layout", "content-frist"), "next_step", "did you mean 'content-first'?"),
    ],
)
def test_on_an_encoder(shop, words, part, text):
    assert text in refused(shop, "--backbone", shop.backbone, *words)[part]


@pytest.mark.parametrize(
    ("words", "part", "text"),
    [
        (("--method", "alora", "--layout", "instruction-first"), "required", "--layout content-first"),
        (("--method", "head"), "required", "--method lora"),
        (("--method", "alora", "--lora-layers", "top:3"), "required", "top:1 to top:2"),
        (("--method", "alora", "--max-tokens", "8"), "problem", "does not fit into the judge's window"),
    ],
)
def test_on_a_decoder(shop, decoder, words, part, text):
    assert text in refused(shop, "--backbone", decoder, *words)[part]
