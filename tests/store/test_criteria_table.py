"""The table of criteria."""

import pytest

from assay.schema.errors import ConflictError, NotFoundError
from assay.store import criteria


def test_a_criterion_is_recorded_once(database, make_criterion):
    for _ in range(2):
        with database.begin() as connection:
            criteria.record(connection, make_criterion())
    with database.read() as connection:
        assert criteria.get(connection, "advice/1") == make_criterion()
        assert criteria.every(connection) == (make_criterion(),)


def test_other_words_need_another_version(database, make_criterion):
    with database.begin() as connection:
        criteria.record(connection, make_criterion())
    with pytest.raises(ConflictError, match="'advice/1' was used before") as refusal, database.begin() as connection:
        criteria.record(connection, make_criterion(question="Is it advice, really?"))
    assert "raise `version` in criteria/advice.toml" in refusal.value.next_step
    assert make_criterion().digest[:8] in refusal.value.required


def test_latest_is_what_was_recorded_last(database, make_criterion):
    with database.begin() as connection:
        for version in ("9", "10"):
            criteria.record(connection, make_criterion(version=version))
        criteria.record(connection, make_criterion("toxicity"))
    with database.read() as connection:
        assert criteria.latest(connection, "advice").key == "advice/10"
        assert criteria.latest(connection, "absent") is None


def test_an_unknown_key_lists_what_there_is(database, make_criterion):
    with database.begin() as connection:
        criteria.record(connection, make_criterion())
    with database.read() as connection, pytest.raises(NotFoundError, match="'advice/2'") as refusal:
        criteria.get(connection, "advice/2")
    assert "advice/1" in refusal.value.required
