"""Conversations: messages read into turns and divided into fields."""

import pytest

from assay.ingest.turns import content_of, spoken, turns_of
from assay.schema.errors import InputError
from assay.schema.trace import ImagePart, TextPart, Turn

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": "isa"}'}}
MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi!"},
    {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "an ISA?"}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "An account.", "tool_call_id": "c1"},
    {"role": "assistant", "content": "It is an account."},
]


def turn(role, content):
    return Turn(role=role, content=content)


def test_the_last_answer_is_judged_and_tool_calls_are_its_context():
    said = spoken(turns_of(MESSAGES, "messages"), ("input", "output"))
    assert said.turns == (turn("system", "Be kind."), turn("user", "Hello"), turn("assistant", "Hi!"))
    assert said.input == (TextPart(text="What is"), TextPart(text="an ISA?"))
    assert said.output == "It is an account."
    assert said.context == '[assistant] [tool call] find({"q": "isa"})\n[tool] An account.'
    assert said.after == ()


def test_a_criterion_of_the_input_takes_the_last_user_message():
    said = spoken(turns_of(MESSAGES[:4], "messages"), ("input",))
    assert (said.output, said.turns[-1]) == (None, turn("assistant", "Hi!"))
    assert said.input == (TextPart(text="What is"), TextPart(text="an ISA?"))


def test_a_criterion_of_turns_loses_no_message():
    turns = turns_of(MESSAGES, "messages")
    assert spoken(turns, ("turns",)).turns == turns
    said = spoken(turns, ("turns", "output"))
    assert (said.turns, said.output, said.input) == (turns[:-1], "It is an account.", None)


def test_no_assistant_means_no_output():
    said = spoken(turns_of(MESSAGES[1:2], "messages"), ("input", "output"))
    assert (said.input, said.output, said.turns) == ("Hello", None, ())


def test_older_shapes_are_read():
    turns = turns_of(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": {"a": 1}}},
            {"role": "function", "name": "f", "content": "2"},
        ],
        "messages",
    )
    assert turns == (turn("system", "Be brief."), turn("assistant", '[tool call] f({"a":1})'), turn("tool", "2"))


def test_content_is_text_or_parts():
    blob = "0" * 64
    assert content_of([{"type": "text", "text": "one"}], "input") == "one"
    assert content_of(["a", {"kind": "image", "blob": blob}], "input") == (TextPart(text="a"), ImagePart(blob=blob))
    assert content_of(12, "input") == "12"
    assert content_of(None, "input") is None


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ("hello", "messages is not a list"),
        (["hello"], "messages.0 is not a message"),
        ([{"role": "robot", "content": "x"}], r"messages.0 has an unknown role.*Got: 'robot'"),
        ([{"content": "x"}], r"messages.0 has an unknown role.*Got: None"),
        ([{"role": "assistant", "tool_calls": 1e308}], r"messages.0.tool_calls is not a list"),
        ([{"role": "assistant", "tool_calls": "f"}], r"messages.0.tool_calls is not a list"),
        ([{"role": "user", "content": {"x": 1}}], "messages.0.content is not content"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "messages.0.content.0 is not a part"),
    ],
)
def test_a_wrong_message_is_named(messages, problem):
    with pytest.raises(InputError, match=problem):
        turns_of(messages, "messages")
