"""A row's values as an example."""

import pytest

from assay.ingest.examples import example_of
from assay.ingest.mapping import FieldMapping
from assay.schema.errors import InputError
from assay.schema.example import content_id
from assay.schema.trace import Turn

PLAIN = FieldMapping()


def test_our_own_fields(criterion):
    values = {
        "id": 7,
        "input": "in",
        "output": "out",
        "context": "doc",
        "reference": "ref",
        "turns": [{"role": "user", "content": "hi"}],
        "output_a": None,
        "group": 12,
        "source": "synthetic",
        "weight": "2.5",
        "meta": {"topic": "x"},
        "label": "toxic",
    }
    example = example_of(values, PLAIN, criterion)
    assert (example.id, example.group, example.weight, example.source) == ("7", "12", 2.5, "synthetic")
    assert example.turns == (Turn(role="user", content="hi"),)
    assert (example.context, example.reference, example.output_a) == ("doc", "ref", None)
    assert example.meta == {"topic": "x"}


def test_without_an_id_the_content_names_the_example(criterion):
    first = example_of({"input": "same", "meta": {"a": 1}}, PLAIN, criterion)
    assert first.id == content_id({"input": "same"})
    assert example_of({"input": "same"}, PLAIN, criterion).id == first.id
    assert example_of({"input": "other"}, PLAIN, criterion).id != first.id


def test_columns_are_mapped_also_nested_ones(criterion):
    mapping = FieldMapping(columns={"input": "data.text", "group": "meta.template_id"}, source="expert")
    values = {"data": {"text": "hello"}, "meta": {"template_id": 87}}
    example = example_of(values, mapping, criterion)
    assert (example.input, example.group, example.source) == ("hello", "87", "expert")
    assert example.meta == {"template_id": 87}


def test_flat_meta_columns_and_json_cells_of_a_csv(criterion):
    values = {"input": "x", "meta.topic": "tax", "turns": '[{"role": "user", "content": "hi"}]'}
    example = example_of(values, PLAIN, criterion)
    assert (example.meta, example.turns[0].content) == ({"topic": "tax"}, "hi")


def test_messages_become_an_example(reply_criterion):
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    example = example_of({"messages": messages, "label": "yes"}, PLAIN, reply_criterion)
    assert (example.input, example.output, example.turns) == ("q", "a", ())


def test_extra_fields_are_an_error_or_kept(criterion):
    values = {"input": "x", "topic": "tax", "nothing": None}
    with pytest.raises(InputError, match=r"The field 'topic' is unknown.*--keep-extra"):
        example_of(values, PLAIN, criterion)
    assert example_of(values, FieldMapping(keep_extra=True), criterion).meta == {"topic": "tax"}
    with pytest.raises(InputError, match=r"'imput' is unknown. Required: did you mean 'input'"):
        example_of({"imput": "x"}, PLAIN, criterion)


def test_a_field_read_from_another_column_leaves_its_own_unknown(criterion):
    with pytest.raises(InputError, match="The field 'input' is unknown"):
        example_of({"input": "x", "prompt": "y"}, FieldMapping(columns={"input": "prompt"}), criterion)


def test_an_unknown_mapped_field_is_refused():
    with pytest.raises(InputError, match=r"did you mean 'output'"):
        FieldMapping(columns={"outptu": "reply"})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"output": "x"}, "Nothing to judge: input is missing or empty"),
        ({"input": ""}, "Nothing to judge: input is missing or empty"),
        ({"input": " \n\t"}, "The text of input is empty"),
        ({"input": "\x07\x1b"}, "input holds only control characters"),
        ({"input": "\u200b\ufeff"}, "input holds only control characters"),
        ({"input": "a\x00b"}, "input: a NUL character at position 2"),
        ({"input": "a", "meta": {"x": "\udfff"}}, "meta.x: half of a surrogate pair"),
        ({"input": {"a": 1}}, "input is not content"),
        ({"input": "a", "meta": [1]}, "meta is not an object"),
        ({"input": "a", "meta": "{broken"}, "meta is not valid JSON"),
        ({"input": "a", "id": " "}, "id is not a name"),
        ({"input": "a", "group": ["x"]}, "group is not a name"),
        ({"input": "a", "source": "twitter"}, r"source says where the text is from.*Got: 'twitter'"),
        ({"input": "a", "weight": 0}, r"weight is the inverse"),
        ({"input": "a", "weight": "many"}, r"weight is the inverse"),
        ({"input": "a", "weight": True}, r"weight is the inverse"),
        ({"messages": [], "input": "a"}, "messages and single fields stand in one row"),
    ],
)
def test_what_cannot_be_judged_is_named(criterion, values, problem):
    with pytest.raises(InputError, match=problem):
        example_of(values, PLAIN, criterion)


def test_an_unanswered_conversation_is_refused(reply_criterion):
    messages = [{"role": role, "content": role} for role in ("user", "assistant", "user")]
    with pytest.raises(InputError, match="ends with a message that nothing answers"):
        example_of({"messages": messages}, PLAIN, reply_criterion)


def test_one_readable_field_is_enough_but_none_may_be_only_control_characters(reply_criterion):
    assert example_of({"input": "", "output": "a"}, PLAIN, reply_criterion).output == "a"
    with pytest.raises(InputError, match="output holds only control characters"):
        example_of({"input": "a", "output": "\x01"}, PLAIN, reply_criterion)


def test_an_image_alone_can_be_judged(criterion):
    image = [{"kind": "image", "blob": "0" * 64}]
    assert example_of({"input": image}, PLAIN, criterion).input[0].blob == "0" * 64


def test_special_tokens_and_control_characters_among_text_stay(criterion):
    text = "<|eot_id|>[/INST]\x07\x1b[31m </s>"
    assert example_of({"input": text}, PLAIN, criterion).input == text
