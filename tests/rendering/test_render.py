"""What a model sees of an example, word for word."""

import pytest

from assay.rendering.render import render
from assay.rendering.segments import SEPARATOR, Segment, content, template
from assay.rendering.templates import register_template, template_named
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.errors import InputError, NotFoundError
from assay.schema.example import Example
from assay.schema.trace import ImagePart, TextPart, Turn

SCALE = Scale(
    kind="binary",
    positive="yes",
    levels=(Level(label="yes", guidance=" names a product\n"), Level(label="no")),
)
TURNS = (Turn(role="user", content="Hi"), Turn(role="assistant", content="Hello"))


def criterion(*reads: str) -> Criterion:
    return Criterion(name="advice", version="1", question="Is it advice?", reads=reads, scale=SCALE)


def text_of(segments: tuple[Segment, ...]) -> str:
    return "".join("<SEP>" if segment.kind == "separator" else segment.text for segment in segments)


def test_encoder_fields_stand_in_reading_order_with_separators():
    example = Example(id="e", input="in", output="out", context="con")
    assert render(example, criterion("context", "input", "output"), "encoder.v1", "instruction-first") == (
        content("con", "context"),
        SEPARATOR,
        content("in", "input"),
        SEPARATOR,
        content("out", "output"),
    )
    assert text_of(render(example, criterion("output", "input"), "encoder.v1", "content-first")) == "out<SEP>in"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"output": "out"}, "out"),
        ({"input": "in"}, "in"),
        ({"input": "", "output": "out"}, "out"),
        ({"turns": TURNS, "output": "out"}, "user: Hi\nassistant: Hello\n<SEP>out"),
        ({"turns": TURNS}, "user: Hi\nassistant: Hello\n"),
    ],
)
def test_absent_fields_leave_no_trace(fields, expected):
    example = Example(id="e", **fields)
    assert text_of(render(example, criterion("turns", "input", "output"), "encoder.v1", "content-first")) == expected


def test_roles_are_ours_and_belong_to_the_turns():
    segments = render(Example(id="e", turns=TURNS), criterion("turns"), "encoder.v1", "content-first")
    assert segments[:3] == (template("user: ", "turns"), content("Hi", "turns"), template("\n", "turns"))


def test_verdict_instruction_first():
    example = Example(id="e", turns=TURNS, output="out", input="unread")
    segments = render(example, criterion("turns", "output"), "verdict.v1", "instruction-first")
    assert text_of(segments) == (
        "Question: Is it advice?\nyes: names a product\nAnswer with one of: yes, no.\n\n"
        "Earlier turns:\nuser: Hi\nassistant: Hello\n\n\nOutput:\nout\n\nVerdict:"
    )
    assert segments[-1] == template("Verdict:")


def test_verdict_content_first_shares_the_content_and_leaves_the_guidance_out():
    example = Example(id="e", output="out")
    segments = render(example, criterion("output"), "verdict.v1", "content-first")
    assert text_of(segments) == "Output:\nout\n\nQuestion: Is it advice?\nAnswer with one of: yes, no.\nVerdict:"


def test_every_field_has_a_heading():
    fields = ("input", "output", "context", "reference", "output_a", "output_b")
    example = Example(id="e", turns=TURNS, **{name: f"text of {name}" for name in fields})
    shown = text_of(render(example, criterion(*fields, "turns"), "verdict.v1", "content-first"))
    for heading in ("Input", "Output", "Context", "Reference answer", "Output A", "Output B", "Earlier turns"):
        assert f"{heading}:\n" in shown
    assert shown.count("text of ") == len(fields)


@pytest.mark.parametrize("name", ["encoder.v1", "verdict.v1"])
@pytest.mark.parametrize("layout", ["instruction-first", "content-first"])
def test_only_content_is_marked_as_content(name, layout):
    example = Example(id="e", turns=TURNS, output="out")
    segments = render(example, criterion("turns", "output"), name, layout)
    assert [segment.text for segment in segments if segment.kind == "content"] == ["Hi", "Hello", "out"]


@pytest.mark.parametrize("name", ["encoder.v1", "verdict.v1"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"input": "unread"},
        {"output": ""},
        {"output": " \n\t "},
        {"output": (ImagePart(blob="0" * 64),)},
        {"turns": (Turn(role="user", content=""),)},
    ],
)
def test_an_example_without_text_is_refused(name, fields):
    with pytest.raises(InputError, match=r"'e 1' has no text.*\['turns', 'output'\]"):
        render(Example(id="e 1", **fields), criterion("turns", "output"), name, "content-first")


def test_text_parts_are_shown_and_images_left_out():
    example = Example(id="e", output=(TextPart(text="a"), ImagePart(blob="0" * 64), TextPart(text="b")))
    assert render(example, criterion("output"), "encoder.v1", "content-first") == (content("a\nb", "output"),)


def test_an_unknown_template_is_not_found():
    with pytest.raises(NotFoundError, match=r"'verdict\.v9'.*encoder\.v1.*verdict\.v1"):
        template_named("verdict.v9")


def test_a_plug_in_registers_a_template():
    register_template("shout.v1", lambda example, *_: (content(str(example.output).upper(), "output"),))
    segments = render(Example(id="e", output="out"), criterion("output"), "shout.v1", "content-first")
    assert segments == (content("OUT", "output"),)
