"""A tool's file with anything in place of one of its values: rows, malformed rows, or a refusal; never a crash."""

import copy
import json

import pytest
from exchange_files import FOLDER, advice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.ingest.labelled import Reading
from assay.ingest.mapping import FieldMapping
from assay.schema.errors import AssayError

CASES = [
    ("label_studio/project.json", "label-studio", "advice"),
    ("argilla/records.json", "argilla", "advice"),
    ("promptfoo/results.json", "promptfoo", "no_advice"),
    ("deepeval/run.json", "deepeval", "No advice [GEval]"),
    ("deepeval/conversation.json", "deepeval", None),
    ("inspect/advice.json", "inspect", "model_graded_qa"),
    ("mlflow/traces.jsonl", "mlflow", "advice"),
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=3,
)


def loaded(name):
    text = (FOLDER / name).read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


def places(value, path=()):
    """The paths of all values, a few items of each list."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, inner in items:
        if key not in ("events", "config", "grading", "stats"):  # large, and read by nobody
            yield from places(inner, (*path, key))


def replaced(value, path, other):
    if not path:
        return other
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = other
    return whole


@pytest.mark.parametrize(("name", "format", "question"), CASES, ids=[case[0] for case in CASES])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_any_place(tmp_path, name, format, question, data):  # noqa: A002 - the word users write
    value = loaded(name)
    path = data.draw(st.sampled_from(sorted(places(value), key=repr)))
    other = data.draw(ANYTHING)
    file = tmp_path / "mutated.json"
    file.write_text(json.dumps(replaced(value, path, other)))
    labels = {"pass": "no_advice", "fail": "advice", "C": "no_advice", "I": "advice"}
    mapping = FieldMapping(label_source="crowd", labels=labels, question=question)
    reading = Reading(path=file, criterion=advice(), mapping=mapping, format=format)
    try:
        rows = list(reading)
    except AssayError:
        return
    assert reading.rows == len(rows) + reading.malformed
