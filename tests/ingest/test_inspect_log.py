"""Inspect's logs, written by its own `eval`."""

import json
import zipfile

import pytest
from exchange_files import ANSWERS, FOLDER, GIVEN, QUESTIONS, read

from assay.ingest.exchange.zip_members import open_members
from assay.ingest.mapping import FieldMapping
from assay.schema.errors import InputError, IntegrityError

LOG = FOLDER / "inspect" / "advice.eval"
GRADES = FieldMapping(labels={"C": "no_advice", "I": "advice"}, label_source="expert")


def test_a_graders_score_is_a_teachers_label():
    found = read(LOG, GRADES, question="model_graded_qa")
    assert found.reading.account.format == "inspect"
    by_answer = {row.example.output: row for row in found.rows}
    assert [by_answer[answer].example.input for answer in ANSWERS] == QUESTIONS
    graded = [{label.source: label for label in by_answer[answer].labels} for answer in ANSWERS]
    assert [one["teacher"].value for one in graded] == GIVEN
    assert {one["teacher"].labeller for one in graded} == {"mockllm/grader"}
    assert "GRADE: I" in graded[0]["teacher"].explanation
    assert found.left_out == {"scores of 'includes'": 6}


def test_the_same_log_as_json():
    packed, plain = (read(LOG.with_suffix(suffix), GRADES, question="model_graded_qa") for suffix in (".eval", ".json"))
    assert [(row.example, row.labels) for row in plain.rows] == [(row.example, row.labels) for row in packed.rows[:2]]


def test_a_score_edited_by_hand_is_a_persons_label_beside_the_first():
    found = read(LOG, GRADES, question="model_graded_qa")
    edited = next(row for row in found.rows if row.example.output == ANSWERS[4])
    assert {(label.labeller, label.value, label.source) for label in edited.labels} == {
        ("mockllm/grader", "no_advice", "teacher"),
        ("mia", "advice", "expert"),
    }
    assert next(label.explanation for label in edited.labels if label.labeller == "mia") == ("It says what not to do.")
    with pytest.raises(InputError, match="given by people"):
        read(LOG, FieldMapping(labels=GRADES.labels), question="model_graded_qa")


def test_a_scorer_without_a_model_is_a_rule():
    found = read(LOG, GRADES, question="includes")
    assert {(label.labeller, label.source) for row in found.rows for label in row.labels} == {
        ("inspect/includes", "rule")
    }


def test_the_conversation_the_target_and_the_sample_are_kept():
    example = read(LOG, GRADES, question="includes").rows[0].example
    assert (example.turns[0].role, example.turns[0].content) == ("system", "You are a bank's assistant.")
    assert example.reference == "no advice"
    assert example.group == "advice-1"
    assert example.meta["metadata"] == {"topic": "banking"}


def rewritten(path, change):
    """The log with its members changed, compressed as before."""
    with open_members(LOG) as members, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in members.names():
            new.writestr(name, change(name, members.read(name)))
    return path


def test_a_sample_that_ended_in_an_error_is_set_aside(tmp_path):
    def fail(name, data):
        if name != "samples/2_epoch_1.json":
            return data
        return json.dumps({**json.loads(data), "error": {"message": "out of tokens"}})

    found = read(rewritten(tmp_path / "failed.eval", fail), GRADES, question="includes")
    assert (len(found.rows), found.reasons) == (5, ["the sample ended with an error: 'out of tokens'"])


def test_a_log_that_was_cut_off_is_refused(tmp_path):
    path = tmp_path / "cut.eval"
    path.write_bytes(LOG.read_bytes()[:-200])
    with pytest.raises(InputError, match="not a whole zip file"):
        read(path, GRADES)
    with zipfile.ZipFile(tmp_path / "running.eval", "w") as archive:
        archive.writestr("_journal/start.json", "{}")
    with pytest.raises(InputError, match="no finished Inspect log"):
        read(tmp_path / "running.eval", GRADES)


def test_a_member_that_swells_without_limit_is_refused_unread(tmp_path):
    path = tmp_path / "bomb.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", b" " * 20_000_000)
        archive.writestr("samples/1_epoch_1.json", "{}")
    with pytest.raises(InputError, match="would swell beyond what is read"):
        read(path, GRADES)


@pytest.mark.parametrize("kind", ["zstd", "deflate"])
@pytest.mark.parametrize("bytes_over", [8, 1])
def test_a_member_that_is_not_what_the_file_says_is_damaged(tmp_path, kind, bytes_over):
    whole = LOG if kind == "zstd" else rewritten(tmp_path / "deflated.eval", lambda name, data: data)
    assert len(read(whole, GRADES, question="includes").rows) == 6
    data = bytearray(whole.read_bytes())
    with zipfile.ZipFile(whole) as archive:
        info = archive.getinfo("header.json")
    start = info.header_offset + 30 + len("header.json") + info.compress_size // 2
    data[start : start + bytes_over] = bytes(byte ^ 0xFF for byte in data[start : start + bytes_over])
    path = tmp_path / "damaged.eval"
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"'header.json' in damaged\.eval is"):
        read(path, GRADES)


def test_an_encrypted_member_is_refused(tmp_path):
    path = rewritten(tmp_path / "secret.eval", lambda name, data: data)
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag in each header, local and central
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be unpacked.*encrypted"):
        read(path, GRADES)


@pytest.mark.parametrize(
    ("field", "value"), [("output", {"choices": {"a": 1}}), ("scores", {"includes": {"value": "C", "history": 3}})]
)
def test_odd_shapes_inside_a_sample_are_no_crash(tmp_path, field, value):
    def odd(name, data):
        return json.dumps({**json.loads(data), "messages": [], field: value}) if name.startswith("samples/") else data

    read(rewritten(tmp_path / "odd.eval", odd), GRADES, question="includes")
