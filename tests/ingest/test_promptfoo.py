"""promptfoo's results, written by `promptfoo eval`."""

import json

import pytest
from exchange_files import ANSWERS, FOLDER, GIVEN, PASSES, QUESTIONS, read

from assay.ingest.mapping import FieldMapping
from assay.schema.errors import InputError

RESULTS = FOLDER / "promptfoo" / "results.json"
MAPPED = FieldMapping(labels=PASSES)


@pytest.mark.parametrize("name", ["results.json", "results.jsonl"])
def test_a_graders_outcome_is_a_teachers_label(name):
    found = read(RESULTS.with_name(name), MAPPED, question="no_advice")
    assert found.reading.account.format == "promptfoo"
    assert len(found.rows) == 12  # six tests, two prompts
    by_answer = {row.example.output: row.labels for row in found.rows}
    assert [by_answer[answer][0].value for answer in ANSWERS] == GIVEN
    assert {label.source for row in found.rows for label in row.labels} == {"teacher"}
    assert by_answer[ANSWERS[0]][0].explanation == "It tells what to do."


def test_the_prompt_is_the_input_or_a_conversation():
    found = read(RESULTS, MAPPED, question="no_advice")
    plain = [row.example for row in found.rows if not row.example.turns]
    chats = [row.example for row in found.rows if row.example.turns]
    assert {example.input for example in plain} == {f"Customer: {question}" for question in QUESTIONS}
    assert {example.input for example in chats} == set(QUESTIONS)
    assert {example.turns[0].content for example in chats} == {"You are a bank's assistant."}
    assert {example.context for example in plain} == {None, "We do not give investment advice."}


def test_a_tests_prompts_share_a_group():
    found = read(RESULTS, MAPPED, question="no_advice")
    assert len(set(found.said("group"))) == 6


def test_assertions_of_one_metric_pass_where_all_pass():
    found = read(RESULTS, MAPPED, question="modest")
    by_answer = {row.example.output: row.labels[0] for row in found.rows}
    values = [by_answer[answer].value for answer in ANSWERS]
    assert values == ["advice", "no_advice", "no_advice", "no_advice", "no_advice", "advice"]
    assert {(label.labeller, label.source) for label in by_answer.values()} == {("promptfoo/modest", "rule")}
    assert found.left_out["outcomes of 'no_advice'"] == 12
    assert found.left_out["outcomes of 'contains'"] == 2


def test_the_whole_tests_outcome_can_be_asked_for():
    found = read(RESULTS, MAPPED, question="test")
    by_answer = {row.example.output: row.labels[0].value for row in found.rows}
    assert [by_answer[answer] for answer in ANSWERS] == GIVEN


def test_a_rating_in_the_viewer_is_a_persons_label(tmp_path):
    results = json.loads(RESULTS.read_text())
    graded = results["results"]["results"][0]["gradingResult"]["componentResults"]
    graded.append({"pass": True, "score": 1, "reason": "x", "comment": "fine", "assertion": {"type": "human"}})
    path = tmp_path / "rated.json"
    path.write_text(json.dumps(results))
    with pytest.raises(InputError, match="given by people"):
        read(path, MAPPED, question="human")
    found = read(path, FieldMapping(labels=PASSES, label_source="crowd"), question="human")
    assert found.opinions()[0] == {"promptfoo-reviewer": ("no_advice", "crowd")}
    assert found.rows[0].labels[0].explanation == "fine"


def test_pass_and_fail_are_mapped_by_the_user_only():
    found = read(RESULTS, FieldMapping(), question="no_advice")
    assert found.reading.malformed == 12
    assert "--map-label 'pass=LABEL' (6 rows)" in found.reading.unknown_label_hint()


def test_results_without_an_answer_are_set_aside(tmp_path):
    lines = (RESULTS.with_suffix(".jsonl")).read_text().splitlines()
    broken = json.loads(lines[1])
    broken["response"], broken["error"] = {}, "timeout"
    path = tmp_path / "results.jsonl"
    path.write_text("\n".join([lines[0], json.dumps(broken), "{", "[]"]))
    found = read(path, MAPPED, question="no_advice")
    assert (len(found.rows), found.reading.malformed) == (1, 3)
    assert found.reasons[0] == "the provider gave no answer: 'timeout'"


def test_without_a_question_the_assertions_are_listed():
    with pytest.raises(InputError, match=r"answers 3 questions.*'contains', 'modest', 'no_advice'"):
        read(RESULTS, MAPPED)
