"""What is taken out of a text, what stays, and that hostile texts cost no more than others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.ingest.redaction import RedactionRules, Redactor
from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.schema.trace import TextPart, Turn

REDACTOR = Redactor(RedactionRules(regions=("US", "GB", "DE")))


def redacted(text):
    return REDACTOR.redact(text).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail ann.b+c@mail.example.org.", "Mail [EMAIL]."),
        ("jürgen@müller.de, a@b", "[EMAIL], a@b"),
        ("card 4111 1111 1111 1111!", "card [CARD]!"),
        ("card 4111-1111-1111-1111, 378282246310005", "card [CARD], [CARD]"),
        ("order 12 4111 1111 1111 1111", "order 12 [CARD]"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("IBAN GB82 WEST 1234 5698 7654 32 and more", "IBAN [IBAN] and more"),
        ("de89370400440532013000,GB82WEST12345698765432", "[IBAN],[IBAN]"),
        ("GB83WEST12345698765432", "GB83WEST12345698765432"),
        ("call +49 30 901820 now", "call [PHONE] now"),
        ("call +44 20 7946 0018 or 0044 20 7946 0018", "call [PHONE] or [PHONE]"),
        ("call (415) 555-2671, ext", "call [PHONE], ext"),
        ("in 2024 there were 1,234,567 of 10-20", "in 2024 there were 1,234,567 of 10-20"),
        ("key sk-proj-abcdefghijklmnopqrstuvwx1234", "key [SECRET]"),
        ("AKIAIOSFODNN7EXAMPLE", "[SECRET]"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[SECRET]"),
        ("Authorization: Bearer abcdef0123456789.xyz-_", "Authorization: Bearer [SECRET]"),
        ('{"api_key": "hunter2hunter2"}', '{"api_key": "[SECRET]"}'),
        ("my password: correct-horse", "my password: [SECRET]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz", "[SECRET]"),
        ("the token economy of passwords", "the token economy of passwords"),
        ("", ""),
    ],
)
def test_what_is_taken_out_and_what_stays(text, expected):
    assert redacted(text) == expected


def test_a_private_key_goes_as_a_whole():
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAbb\n-----END RSA PRIVATE KEY-----"
    assert redacted(f"a\n{key}\nb") == "a\n[SECRET]\nb"


def test_finds_are_counted_by_kind():
    found = REDACTOR.redact("a@example.org b@example.org 4111111111111111")
    assert found.counts == {"email": 2, "card": 1}


@pytest.mark.parametrize("text", ["a@example.org", "4111 1111 1111 1111", "+49 30 901820", "sk-" + "a" * 30])
def test_redacting_twice_changes_nothing(text):
    assert redacted(redacted(text)) == redacted(text)


@given(st.text(st.characters(exclude_characters="0123456789@-_=:."), max_size=200))
def test_a_text_without_digits_and_signs_stays(text):
    assert "bearer" in text.lower() or redacted(text) == text


@given(st.text(max_size=100), st.text(max_size=100))
def test_an_address_among_anything_is_found(before, after):
    assert "someone@example.org" not in redacted(f"{before} someone@example.org {after}")


def test_an_example_is_cleaned_in_all_its_texts():
    example = Example(
        id="a@example.org",
        input=(TextPart(text="a@example.org"),),
        output="4111111111111111",
        turns=(Turn(role="user", content="b@example.org"),),
        meta={"from": ["c@example.org", 3], "n": 1.5},
    )
    cleaned = REDACTOR.redact_example(example)
    assert cleaned.example.id == "a@example.org"
    assert cleaned.example.input == (TextPart(text="[EMAIL]"),)
    assert cleaned.example.turns[0].content == "[EMAIL]"
    assert cleaned.example.meta == {"from": ["[EMAIL]", 3], "n": 1.5}
    assert cleaned.counts == {"email": 3, "card": 1}


def test_patterns_of_ones_own_come_first():
    rules = RedactionRules.from_mapping({"kinds": ["email"], "patterns": {"staff_id": r"\bE-\d{6}\b"}})
    assert (
        Redactor(rules).redact("E-123456 x@example.org 4111111111111111").text == "[STAFF_ID] [EMAIL] 4111111111111111"
    )


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"patterns": {"x": "(a)\\1"}}, "no pattern of RE2"),
        ({"patterns": {"email": "a"}}, "name of its own"),
        ({"patterns": {"a b": "a"}}, "name of its own"),
        ({"kinds": ["names"]}, "not a valid RedactionRules"),
        ({"kind": []}, "not a valid RedactionRules"),
    ],
)
def test_a_table_that_is_none_is_refused(table, problem):
    with pytest.raises(InputError, match=problem):
        Redactor(RedactionRules.from_mapping(table))


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000 + "@",
        "1 " * 60_000,
        "4111 " * 40_000,
        "aa11" * 40_000,
        "aa11 " * 30_000,
        "+" * 100_000,
        "\ud800" * 9,
    ],
    ids=["a", "digits", "groups", "iban", "ibans", "plus", "surrogates"],
)
def test_hostile_texts_end(text):
    assert isinstance(redacted(text), str)


def test_beyond_the_checks_what_may_be_a_number_is_taken_out_unverified():
    text = "call 555-000-0000; " * 1000
    assert redacted(text).count("[PHONE]") > 0
