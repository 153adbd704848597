"""The tables of judge versions, aliases, promotions and gate decisions."""

from dataclasses import replace

import pytest

from assay.schema.errors import ConflictError
from assay.schema.gate import Gate, GateDecision
from assay.store import aliases, criteria, gates, judges
from assay.store.aliases import Promotion


@pytest.fixture
def versions(database, make_version):
    made = tuple(make_version(seed=seed) for seed in range(3))
    with database.begin() as connection:
        for version in made:
            judges.add(connection, version)
    return made


def to_champion(judge, **changes):
    values = {"name": "advice", "alias": "champion", "move": "promote", "version": judge.id, "by": "mia"}
    return Promotion(**{**values, "reason": "release", **changes})


def test_a_version_is_recorded_once_with_its_criterion(database, versions, make_criterion):
    with database.begin() as connection:
        judges.add(connection, replace(versions[0], created_at="2027-01-01T00:00:00.000000+00:00"))
    with database.read() as connection:
        assert judges.every(connection) == versions
        assert judges.every(connection, "toxicity") == ()
        assert judges.names(connection) == ("advice",)
        assert criteria.get(connection, "advice/1") == make_criterion()


def test_a_version_is_found_by_the_start_of_its_digest(database, versions):
    digest = versions[1].digest
    with database.read() as connection:
        assert judges.find(connection, "advice", digest[:8]) == versions[1]
        assert judges.find(connection, "advice", digest) == versions[1]
        assert judges.find(connection, "toxicity", digest) is None


def test_a_version_of_a_criterion_with_other_words_is_refused(database, versions, make_criterion):
    other = replace(versions[0], criterion=make_criterion(question="Is it?"))
    with pytest.raises(ConflictError, match="'advice/1' was used before"), database.begin() as connection:
        judges.add(connection, other)


def test_moving_an_alias_writes_the_log(database, versions):
    with database.begin() as connection:
        first = aliases.move(connection, to_champion(versions[0], waiver="a pilot"))
        second = aliases.move(connection, to_champion(versions[1]))
        third = aliases.move(connection, to_champion(versions[2], alias="candidate", move="set"))
    assert (first.previous, second.previous, third.previous) == (None, versions[0].id, None)
    assert (first.sequence, second.sequence, third.sequence) == (1, 2, 3)
    assert first.at <= second.at
    with database.read() as connection:
        assert aliases.pointing(connection, "advice") == {"candidate": versions[2].id, "champion": versions[1].id}
        assert aliases.history(connection, "advice") == (first, second, third)
        assert aliases.history(connection, "advice", "champion") == (first, second)
        assert aliases.history(connection, "toxicity") == ()


def test_an_alias_can_be_taken_away(database, versions):
    with database.begin() as connection:
        aliases.move(connection, to_champion(versions[0]))
        gone = aliases.move(connection, to_champion(versions[0], version=None))
    assert (gone.version, gone.previous) == (None, versions[0].id)
    with database.read() as connection:
        assert aliases.pointing(connection, "advice") == {}


@pytest.mark.parametrize("statement", ["UPDATE promotions SET reason = 'other'", "DELETE FROM promotions"])
def test_the_database_refuses_to_change_the_log(database, versions, statement):
    with database.begin() as connection:
        logged = aliases.move(connection, to_champion(versions[0]))
    with pytest.raises(Exception, match="the promotions log is append-only"), database.begin() as connection:
        connection.exec_driver_sql(statement)
    with database.read() as connection:
        assert aliases.history(connection, "advice") == (logged,)


def test_the_newest_gate_decision_counts(database, versions):
    gate = Gate(name="f1", required="F1 ≥ 0.9", measured=None, low=None, high=None, passed=False, why="no test rows")
    failed = GateDecision(judge=versions[0].id, dataset="advice-data-00000000", gates=(gate,))
    passed = replace(failed, gates=(replace(gate, measured=0.95, low=0.91, high=0.98, passed=True, why=""),))
    with database.begin() as connection:
        assert gates.newest_of(connection, versions[0].id) is None
        for decision, report in ((failed, "a"), (passed, "b"), (failed, "a"), (failed, "a")):
            gates.add(connection, decision, report * 64)
    with database.read() as connection:
        assert gates.newest_of(connection, versions[0].id) == failed
        assert gates.newest_of(connection, versions[0].id, "b" * 64) == passed
        assert gates.newest_of(connection, versions[1].id) is None
        assert connection.exec_driver_sql("SELECT count(*) FROM gate_decisions").scalar() == 3
