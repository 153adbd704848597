"""Label Studio's JSON export, written by its own server."""

import json

import pytest
from exchange_files import ANSWERS, EXPERT, FOLDER, GIVEN, QUESTIONS, advice, read

from assay.ingest.mapping import FieldMapping
from assay.schema.errors import InputError

PROJECT = FOLDER / "label_studio" / "project.json"
MIA, BEN = "annotator-1", "annotator-2"


def tasks():
    return json.loads(PROJECT.read_text())


def write(path, value):
    path.write_text(json.dumps(value))
    return path


def test_each_annotators_choice_is_their_label():
    found = read(PROJECT, question="advice")
    assert found.reading.account.format == "label-studio"
    assert (found.said("input"), found.said("output")) == (QUESTIONS, ANSWERS)
    people = [{who: label for who, label in row.items() if who != "gpt-judge"} for row in found.opinions()]
    mia = [{MIA: (label, "expert")} for label in GIVEN]
    ben = [{BEN: ("advice", "expert")}] * 3 + [{}] * 3
    assert people == [one | other for one, other in zip(mia, ben, strict=True)]


def test_a_prediction_is_a_label_of_its_model_and_a_text_box_a_note():
    first = read(PROJECT, question="advice").rows[0]
    by_labeller = {label.labeller: label for label in first.labels}
    assert (by_labeller["gpt-judge"].value, by_labeller["gpt-judge"].source) == ("no_advice", "teacher")
    assert by_labeller[MIA].explanation == "It is advice."
    assert by_labeller[MIA].created_at.startswith("20")


def test_predictions_named_by_number_only_are_counted_and_whole_ones_read(tmp_path):
    whole = tasks()
    guess = whole[0]["annotations"][0]["prediction"]
    for answer in whole[0]["annotations"]:
        answer["prediction"] = {}
    found = read(write(tmp_path / "plain.json", whole))
    assert found.left_out["predictions that the file names by number only"] == 1
    assert set(found.opinions()[0]) == {MIA, BEN}
    whole[0]["predictions"] = [guess]  # as a snapshot holds it
    assert read(write(tmp_path / "snapshot.json", whole)).opinions()[0]["gpt-judge"] == ("no_advice", "teacher")


def test_other_columns_are_kept_in_meta_and_what_has_no_place_is_counted():
    found = read(PROJECT, question="advice")
    assert found.rows[0].example.meta == {"topic": "banking"}
    assert found.reading.account.columns == {"input": "prompt", "output": "response"}
    assert found.left_out == {
        "answers to 'tone'": 1,
        "regions and other results of kind 'labels'": 1,
        "skipped (cancelled) annotations": 1,
    }


def test_a_rating_is_a_label_where_it_is_asked_for(tmp_path):
    found = read(PROJECT, FieldMapping(label_source="crowd", labels={"2": "advice"}), question="tone")
    assert found.opinions()[0] == {MIA: ("advice", "crowd")}
    assert sum(len(row) for row in found.opinions()) == 1


def test_who_the_annotators_are_must_be_said():
    with pytest.raises(InputError, match=r"given by people.*--label-source expert, crowd"):
        read(PROJECT, FieldMapping(), question="advice")


def test_one_of_several_questions_must_be_named():
    assert read(PROJECT).reading.account.question == "advice"  # the criterion's name
    with pytest.raises(InputError, match=r"answers 2 questions.*'advice', 'tone'"):
        read(PROJECT, criterion=advice("safety"))
    with pytest.raises(InputError, match=r"no question 'advise'.*did you mean 'advice'"):
        read(PROJECT, question="advise")


def test_malformed_tasks_are_set_aside_one_by_one(tmp_path):
    whole = tasks()
    whole[1]["data"] = ["no object"]
    whole[2]["data"] = {"words": "x"}
    whole[3] = "no task"
    found = read(write(tmp_path / "export.json", whole), format="label-studio")
    assert found.reading.malformed == 3
    assert [problem.line for problem in found.reading.problems] == [2, 3, 4]
    assert found.reasons[1] == "no column for input, output; columns here: words; name one with --field input=COLUMN"
    assert len(found.rows) == 3


def test_choices_of_several_are_counted_not_guessed(tmp_path):
    whole = tasks()
    (choice,) = [one for one in whole[5]["annotations"][0]["result"] if one["from_name"] == "advice"]
    choice["value"]["choices"] = ["advice", "no_advice"]
    found = read(write(tmp_path / "export.json", whole))
    assert found.rows[5].labels == ()
    assert found.left_out["values of 'advice' that are lists or objects"] == 1


def test_json_min_is_refused_with_the_way_out():
    with pytest.raises(InputError, match=r"JSON-MIN.*the full JSON export"):
        read(PROJECT.with_name("project_min.json"), EXPERT)


def test_a_file_of_another_shape_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a Label Studio export"):
        read(write(tmp_path / "export.json", {"a": 1}), format="label-studio")
    with pytest.raises(InputError, match="no tool known here wrote"):
        read(write(tmp_path / "export.json", {"a": 1}))
    (tmp_path / "export.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read(tmp_path / "export.json")
