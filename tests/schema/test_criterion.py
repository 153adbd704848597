"""Criteria: what a file may say, and that every word of it enters the digest."""

import dataclasses

import pytest

from assay.schema.criterion import UNDIGESTED, Criterion, Level, Scale
from assay.schema.errors import InputError, NotFoundError

TOML = """
name = "advice"
version = "2"
question = "Is it advice?"
reads = ["turns", "output"]
base_rate = 0.02

[scale]
kind = "binary"
positive = "yes"

[[scale.levels]]
label = "yes"
guidance = "It names a product."

[[scale.levels]]
label = "no"
"""


@pytest.fixture
def toml(tmp_path):
    def write(text: str = TOML):
        path = tmp_path / "advice.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def scale(*labels: str, kind: str = "categorical", positive: str | None = None) -> Scale:
    return Scale(kind=kind, levels=tuple(Level(label=label) for label in labels), positive=positive)


def criterion(**changes: object) -> Criterion:
    values = {"name": "advice", "version": "1", "question": "?", "reads": ("output",), "scale": scale("a", "b")}
    return Criterion(**{**values, **changes})


def test_a_file_is_read_with_its_defaults(toml):
    read = Criterion.from_toml(toml())
    assert read.key == "advice/2"
    assert read.reads == ("turns", "output")
    assert read.labels == ("yes", "no")
    assert read.scale.levels[0].guidance == "It names a product."
    assert (read.level, read.description, read.base_rate) == ("span", "", 0.02)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('question = "Is', 'qestion = "Is', r"no unknown field \(qestion\); did you mean 'question'"),
        ("positive =", "positiv =", r"no unknown field \(scale\.positiv\); did you mean 'positive'"),
        ('"turns", "output"', '"turn", "output"', r"reads\.0"),
        ('"binary"', '"bin"', r"scale\.kind"),
        ('version = "2"', "version = 2", "version"),
        ("base_rate = 0.02", "base_rate = 1.5", "between 0 and 1"),
        ('positive = "yes"', 'positive = "maybe"', "names its positive one"),
        ('label = "no"', 'label = "yes"', "distinct levels"),
        ('"turns", "output"', '"output", "output"', "different fields"),
        ('name = "advice"', 'name = "my advice"', "letters, digits"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(toml, old, new, message):
    assert old in TOML
    with pytest.raises(InputError, match=message):
        Criterion.from_toml(toml(TOML.replace(old, new, 1)))


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError):
        Criterion.from_toml(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "tone"},
        {"version": "2"},
        {"question": "Is it?"},
        {"reads": ("input",)},
        {"scale": scale("a", "c")},
        {"scale": scale("b", "a")},
        {"scale": scale("a", "b", kind="ordinal")},
        {"scale": Scale(kind="categorical", levels=(Level(label="a", guidance="g"), Level(label="b")))},
        {"level": "trace"},
        {"description": "more"},
    ],
)
def test_every_word_enters_the_digest(change):
    assert criterion(**change).digest != criterion().digest


def test_the_digest_is_stable():
    assert criterion().digest == criterion().digest
    assert criterion().digest == "65c9db503df9f8f447f3dc5c1ece91d225989b370c4fd419e571535780321816"
    covered = {"name", "version", "question", "reads", "scale", "level", "description", "base_rate"}
    covered |= set(UNDIGESTED)
    assert {field.name for field in dataclasses.fields(Criterion)} == covered


def test_what_is_said_of_labels_that_exist_already_is_no_word_of_the_question():
    assert criterion(carries_over={"0": {"a": "a"}}, agreement_floor=0.5).digest == criterion().digest


def test_base_rate_enters_the_digest():
    binary = scale("a", "b", kind="binary", positive="a")
    digests = {criterion(scale=binary, base_rate=rate).digest for rate in (None, 0.1, 0.2)}
    assert len(digests) == 3


@pytest.mark.parametrize("name", ["", "a b", "a-b", "a/b", "é", "../a"])
def test_a_name_that_cannot_stand_in_a_file_name_is_refused(name):
    with pytest.raises(InputError, match="name"):
        criterion(name=name)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_base_rate_is_inside_the_unit_interval(rate):
    with pytest.raises(InputError, match="base_rate"):
        criterion(scale=scale("a", "b", kind="binary", positive="a"), base_rate=rate)


def test_a_base_rate_needs_a_binary_scale():
    with pytest.raises(InputError, match="on a categorical scale"):
        criterion(base_rate=0.1)


def test_only_a_binary_scale_has_a_positive_level():
    with pytest.raises(InputError, match="Only a binary scale"):
        scale("a", "b", positive="a")
    with pytest.raises(InputError, match="two levels"):
        scale("a", "b", "c", kind="binary", positive="a")


def test_a_label_off_the_scale_is_refused_with_the_scale():
    assert criterion().check_label("a") == "a"
    for wrong in ("A", "", None, 1):
        with pytest.raises(InputError, match=r"one of \['a', 'b'\]"):
            criterion().check_label(wrong)
