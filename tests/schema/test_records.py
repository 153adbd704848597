"""Records ↔ plain values: nothing is lost, nothing unknown gets in at any depth."""

import copy
import json
from collections.abc import Iterator

import pytest

from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, NotFoundError
from assay.schema.example import Example
from assay.schema.records import read_toml, record_from, to_jsonable

FREE = {"meta", "parameters", "settings", "training", "votes", "files", "label_tokens", "counts", "dropped"}
FREE |= {"fitted_base_rate", "production_base_rate", "deciding_sources", "agreement", "probabilities", "scores"}
FREE |= {"carries_over", "label_texts", "synthetic"}


def records_in(values: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The paths of all records inside plain values; mappings with free keys are none."""
    if isinstance(values, dict):
        yield path
        for name, inner in values.items():
            if name not in FREE:
                yield from records_in(inner, (*path, name))
    if isinstance(values, list):
        for place, inner in enumerate(values):
            yield from records_in(inner, (*path, place))


def test_a_record_survives_json(record):
    values = json.loads(json.dumps(to_jsonable(record), allow_nan=False))
    assert record_from(type(record), values, where="test") == record


def test_an_unknown_field_is_refused_at_any_depth(record):
    values = to_jsonable(record)
    paths = list(records_in(values))
    for path in paths:
        changed = copy.deepcopy(values)
        inner = changed
        for part in path:
            inner = inner[part]
        inner["surprise"] = 1
        with pytest.raises(InputError, match=r"no unknown field \(.*surprise\)"):
            record_from(type(record), changed, where="test")
    assert paths[0] == ()


CRITERION = {
    "name": "advice",
    "version": "1",
    "question": "Is it?",
    "reads": ["output"],
    "scale": {"kind": "binary", "positive": "yes", "levels": [{"label": "yes"}, {"label": "no"}]},
}


def refusal(cls: type, values: dict[str, object]) -> InputError:
    with pytest.raises(InputError) as caught:
        record_from(cls, values, where="criteria/advice.toml")
    return caught.value


def test_a_typo_is_named_before_the_field_that_it_leaves_out():
    values = {**CRITERION, "qestion": "Is it?"}
    del values["question"]
    error = refusal(Criterion, values)
    assert error.problem == "criteria/advice.toml: not a valid Criterion."
    assert error.required == "no unknown field (qestion); did you mean 'question'?"
    assert error.got == "'Is it?'"


@pytest.mark.parametrize(
    ("scale", "required"),
    [
        (
            {"kind": "binary", "positiv": "yes", "levels": [{"label": "yes"}, {"label": "no"}]},
            "no unknown field (scale.positiv); did you mean 'positive'?",
        ),
        (
            {"kind": "categorical", "levels": [{"label": "yes"}, {"lable": "no"}]},
            "no unknown field (scale.levels.1.lable); did you mean 'label'?",
        ),
        (
            {"kind": "categorical", "levels": [{"label": "yes", "zzz": 1}, {"label": "no"}]},
            "no unknown field (scale.levels.0.zzz); known fields: label, guidance",
        ),
        ({"kind": "categorical", "levels": [{"label": "yes"}, {}]}, "scale.levels.1.label: Field required"),
    ],
)
def test_a_typo_deep_inside_has_the_hint_of_its_own_record(scale, required):
    assert refusal(Criterion, {**CRITERION, "scale": scale}).required == required


def test_a_typo_in_a_part_of_the_content_has_a_short_path():
    error = refusal(Example, {"id": "e1", "output": [{"txt": "a"}]})
    assert error.required == "no unknown field (output.0.TextPart.txt); did you mean 'text'?"


def test_what_came_is_shown_bounded():
    error = refusal(Criterion, {**CRITERION, "scale": "x" * 10_000})
    assert "10002 characters" in error.got
    assert len(str(error)) < 400


def test_a_missing_file_and_broken_toml_are_refused(tmp_path):
    with pytest.raises(NotFoundError, match=r"There is no file '.*Next: check the path"):
        read_toml(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(InputError, match="not valid TOML"):
        read_toml(broken)
    broken.write_bytes(b'name = "\xff"')
    with pytest.raises(InputError, match="not valid TOML"):
        read_toml(broken)
