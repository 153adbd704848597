"""Exports of labelled examples come back equal."""

import json
from xml.etree import ElementTree

import pyarrow.parquet
import pytest
from exchange_files import advice, read

from assay.ingest.exporting.formats import write_export
from assay.ingest.exporting.row import ExportRow
from assay.ingest.mapping import FieldMapping
from assay.schema.criterion import Criterion
from assay.schema.errors import ConflictError, InputError
from assay.schema.example import Example
from assay.schema.label import Label
from assay.schema.trace import ImagePart, Turn

NAMES = ["jsonl", "label-studio", "argilla", "hf-dataset"]


def label(example_id, value, labeller, source="expert", **more):
    return Label(example_id=example_id, value=value, labeller=labeller, source=source, criterion="advice/1", **more)


def rows():
    full = Example(
        id="e1",
        input="Should I buy? <b>&amp;</b> “yes”",
        output="Buy.\n\nNow.",
        context="A policy",
        reference="No.",
        turns=(Turn(role="user", content="Hi"), Turn(role="assistant", content="Hello")),
        source="expert",
        group="session-1",
        weight=2.5,
        meta={"topic": {"name": "banking", "depth": 2}, "tags": ["a", "b"], "none": None},
    )
    given = (
        label("e1", "advice", "mia", created_at="2026-11-01T10:00:00+00:00", explanation="It says buy."),
        label("e1", "no_advice", "ben", "crowd"),
        label("e1", "advice", "gpt-judge", "teacher", explanation="A verb."),
        label("e1", "advice", "length.py", "rule"),
    )
    bare = Example(id="42", input="What is a bond?", output="A loan.")
    return [
        ExportRow(example=full, labels=given, target="advice"),
        ExportRow(example=bare, labels=(label("42", "no_advice", "mia"),), target="no_advice"),
        ExportRow(example=Example(id="e3", input="q", output="a")),
    ]


def path_of(folder, name):
    return folder / ("out.jsonl" if name == "jsonl" else "out")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reads", [("input", "output"), ("turns", "output"), ("output",)])
def test_what_is_written_comes_back_equal(tmp_path, name, reads):
    path = path_of(tmp_path, name)
    criterion = advice(reads=reads)
    written = write_export(lambda: iter(rows()), criterion, name, path)
    assert (written.rows, written.left_out, written.path) == (3, {}, path)
    found = read(path, FieldMapping(), criterion=criterion)
    assert found.reading.malformed == 0, found.reasons
    expected = {row.example.id: row for row in rows()}
    assert {row.example.id: row.example for row in found.rows} == {key: row.example for key, row in expected.items()}
    for row in found.rows:
        assert {one.labeller: one for one in row.labels} == {
            one.labeller: one for one in expected[row.example.id].labels
        }


@pytest.mark.parametrize("name", NAMES[1:])
def test_examples_with_images_are_counted_and_left_out(tmp_path, name):
    image = Example(id="i", input=(ImagePart(blob="0" * 64),), output="a")
    given = [*rows(), ExportRow(example=image)]
    written = write_export(lambda: iter(given), advice(), name, tmp_path / "out")
    assert (written.rows, dict(written.left_out)) == (3, {"examples with images or typed parts": 1})


def test_the_labelling_page_has_the_labels_with_their_guidance(tmp_path):
    write_export(lambda: iter(rows()), advice(reads=("turns", "input", "output")), "label-studio", tmp_path / "out")
    view = ElementTree.fromstring((tmp_path / "out" / "labeling_config.xml").read_text())  # noqa: S314 - our own
    assert [choice.get("value") for choice in view.iter("Choice")] == ["advice", "no_advice"]
    assert view.find(".//Choice[@value='no_advice']").get("hint") == "It only informs."
    assert view.find("Choices").get("toName") == "turns"
    assert [text.get("value") for text in view.iter("Text")] == ["$input", "$output"]
    assert view.find("Paragraphs").get("nameKey") == "role"


def test_labels_of_models_are_predictions_and_suggestions(tmp_path):
    write_export(lambda: iter(rows()), advice(), "label-studio", tmp_path / "ls")
    task = json.loads((tmp_path / "ls" / "tasks.json").read_text())[0]
    assert [one["model_version"] for one in task["predictions"]] == ["gpt-judge", "length.py"]
    assert len(task["annotations"]) == 2
    write_export(lambda: iter(rows()), advice(), "argilla", tmp_path / "argilla")
    record = json.loads((tmp_path / "argilla" / "records.json").read_text())[0]
    assert record["suggestions"]["advice"]["agent"] == "gpt-judge"
    assert len(record["responses"]["advice"]) == 2


def test_an_answer_given_anew_in_label_studio_is_its_annotators(tmp_path):
    write_export(lambda: iter(rows()), advice(), "label-studio", tmp_path / "out")
    path = tmp_path / "out" / "tasks.json"
    tasks = json.loads(path.read_text())
    answer = tasks[1]["annotations"][0] | {"completed_by": 1, "updated_by": {"email": "eve@example.org"}}
    answer["result"][0]["value"]["choices"] = ["advice"]
    tasks[1]["annotations"] = [answer]
    path.write_text(json.dumps(tasks))
    found = read(path, FieldMapping(label_source="crowd"))
    assert found.opinions()[1] == {"eve@example.org": ("advice", "crowd")}


def test_the_target_is_a_class_label_for_training_elsewhere(tmp_path):
    write_export(lambda: iter(rows()), advice(), "hf-dataset", tmp_path / "out")
    table = pyarrow.parquet.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet")
    assert table["target"].to_pylist() == [0, 1, None]
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["target"]["names"] == ["advice", "no_advice"]
    assert "It only informs." in (tmp_path / "out" / "README.md").read_text()


def test_nothing_half_written_and_nothing_overwritten(tmp_path):
    def stopped():
        yield rows()[0]
        raise KeyboardInterrupt

    for name in NAMES:
        with pytest.raises(KeyboardInterrupt):
            write_export(stopped, advice(), name, path_of(tmp_path, name))
    with pytest.raises(InputError, match="nothing to export"):
        write_export(lambda: iter(()), advice(), "argilla", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ConflictError, match="is there already"):
        write_export(lambda: iter(rows()), advice(), "argilla", tmp_path / "out")
    with pytest.raises(InputError, match="did you mean 'argilla'"):
        write_export(lambda: iter(rows()), advice(), "argila", tmp_path / "other")


def test_a_criterion_named_like_a_field_keeps_its_question_apart(tmp_path):
    criterion = advice("output")
    for name in ("label-studio", "argilla"):
        given = [ExportRow(example=row.example, labels=tuple(
            Label(**{**vars(one), "criterion": criterion.key}) for one in row.labels)) for row in rows()]  # fmt: skip
        write_export(lambda given=given: iter(given), criterion, name, tmp_path / name)
        found = read(tmp_path / name, FieldMapping(), criterion=criterion)
        assert found.reading.account.question == "output_label"
        assert [len(row.labels) for row in found.rows] == [4, 1, 0]


def test_an_ordinal_scale_goes_the_same_way(tmp_path):
    scale = {"kind": "ordinal", "levels": [{"label": str(grade)} for grade in (1, 2, 3)]}
    criterion = Criterion.from_dict(
        {"name": "tone", "version": "2", "question": "How kind?", "reads": ["output"], "scale": scale}
    )
    graded = Label(example_id="e3", value="2", labeller="mia", source="expert", criterion="tone/2")
    for name in NAMES:
        path = path_of(tmp_path, name)
        row = ExportRow(example=rows()[2].example, labels=(graded,), target="2")
        write_export(lambda row=row: iter([row]), criterion, name, path)
        assert read(path, FieldMapping(), criterion=criterion).rows[0].labels == (graded,)
        path.rename(tmp_path / f"done-{name}")
