"""Argilla's records, written by its own classes."""

import json
import uuid

import pytest
from exchange_files import ANSWERS, FOLDER, GIVEN, QUESTIONS, read

from assay.ingest.mapping import FieldMapping
from assay.schema.errors import InputError

RECORDS = FOLDER / "argilla" / "records.json"
MIA, BEN = (str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("mia", "ben"))


@pytest.mark.parametrize("path", [RECORDS, RECORDS.parent], ids=["file", "folder"])
def test_each_users_response_is_their_label(path):
    found = read(path)
    assert (found.reading.account.format, found.reading.account.question) == ("argilla", "advice")
    assert (found.said("input"), found.said("output")) == (QUESTIONS, ANSWERS)
    people = [{who: label for who, label in row.items() if who != "gpt-judge"} for row in found.opinions()]
    assert [row[MIA] for row in people] == [(label, "expert") for label in GIVEN]
    assert [row.get(BEN) for row in people[:4]] == [("advice", "expert")] * 3 + [None]
    assert found.rows[0].example.meta == {"topic": "banking"}


def test_a_suggestion_is_a_label_of_its_agent_and_a_text_answer_a_note():
    labels = {label.labeller: label for label in read(RECORDS).rows[0].labels}
    assert (labels["gpt-judge"].value, labels["gpt-judge"].source) == ("no_advice", "teacher")
    assert labels[MIA].explanation == "It says “everything”."
    assert labels[BEN].explanation is None


def test_a_discarded_response_is_no_label_where_the_file_says_so(tmp_path):
    records = json.loads(RECORDS.read_text())
    records[1]["responses"]["advice"][0]["status"] = "discarded"
    (tmp_path / "records.json").write_text(json.dumps(records))
    found = read(tmp_path / "records.json")
    assert MIA not in found.opinions()[1]
    assert found.left_out["responses that are discarded"] == 1


def test_who_the_users_are_must_be_said():
    with pytest.raises(InputError, match="given by people"):
        read(RECORDS, FieldMapping())


def test_malformed_records_are_set_aside(tmp_path):
    records = json.loads(RECORDS.read_text())
    records[0]["fields"] = None
    (tmp_path / "records.json").write_text(json.dumps(records))
    found = read(tmp_path / "records.json")
    assert (found.reading.malformed, found.reasons) == (1, ["not an Argilla record: no object 'fields'"])
