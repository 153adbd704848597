"""How judges are addressed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.registry.refs import ALIASES, Ref, check_alias, check_name, parse_ref
from assay.schema.errors import InputError


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("advice", Ref(name="advice", alias="champion", digest=None)),
        ("advice@canary", Ref(name="advice", alias="canary", digest=None)),
        ("a_1-3f2a91c0", Ref(name="a_1", alias=None, digest="3f2a91c0")),
        ("advice-" + "0" * 64, Ref(name="advice", alias=None, digest="0" * 64)),
    ],
)
def test_the_three_forms(text, ref):
    assert parse_ref(text) == ref


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../advice",
        "/etc/passwd",
        "advice/1",
        "advice\n",
        "advice-3f2a91c",
        "advice-3F2A91C0",
        "advice-" + "0" * 65,
        "advice@",
        "advice@champion-3f2a91c0",
        "advice-3f2a91c0@champion",
        "a" * 65,
        "advice %",
        "adviće",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(InputError, match="does not address a judge") as refusal:
        parse_ref(text)
    assert "NAME@ALIAS" in refusal.value.required


def test_an_unknown_alias_gets_a_did_you_mean():
    with pytest.raises(InputError) as refusal:
        parse_ref("advice@champoin")
    assert refusal.value.next_step == "did you mean 'champion'?"
    assert refusal.value.required == "one of candidate, shadow, canary, champion"


@given(st.text(max_size=100))
def test_a_reference_never_holds_a_path(text):
    try:
        ref = parse_ref(text)
    except InputError:
        return
    assert ref.name.isascii()
    assert ref.name.replace("_", "a").isalnum()


def test_names_and_aliases():
    assert [check_alias(alias) for alias in ALIASES] == ["candidate", "shadow", "canary", "champion"]
    assert check_name("advice_2") == "advice_2"
    with pytest.raises(InputError, match="cannot have this name"):
        check_name("advice-2")
