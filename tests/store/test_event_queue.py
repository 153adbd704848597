"""The queue of events on both databases: leases, two workers at once, clocks that jump, spans that gather."""

import pytest

from assay.schema.errors import ConflictError
from assay.store import events
from assay.store.database import open_database
from assay.store.events import Event
from assay.store.leases import Lease

NOW = 1_700_000_000.0


def lease(owner="one", now_s=NOW):
    return Lease(owner=owner, now_s=now_s, length_s=60.0)


def event(number, **body):
    return Event(id=f"e{number}", body={"text": f"text {number}", **body})


def claimed(database, by, limit=10):
    with database.begin() as connection:
        return [one.id for one in events.claim(connection, by, limit)]


@pytest.fixture
def queue(database):
    with database.begin() as connection:
        events.add(connection, [event(number) for number in range(4)])
    return database


def test_events_are_claimed_in_order_and_by_one_worker(queue):
    assert claimed(queue, lease("one"), 2) == ["e0", "e1"]
    assert claimed(queue, lease("two"), 10) == ["e2", "e3"]
    assert claimed(queue, lease("three")) == []


def test_two_workers_in_the_middle_of_claiming_pass_over_each_others_events(queue, database_url):
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one writer at a time")
    other = open_database(database_url)
    with queue.begin() as first, other.begin() as second:
        mine = events.claim(first, lease("one"), 2)
        theirs = events.claim(second, lease("two"), 10)  # does not wait for the first
    other.close()
    assert [one.id for one in mine] == ["e0", "e1"]
    assert [one.id for one in theirs] == ["e2", "e3"]


def test_a_lease_runs_out_and_the_event_is_taken_up_again_once(queue):
    claimed(queue, lease("one"), 1)
    assert "e0" not in claimed(queue, lease("two", NOW + 59), 1)
    with queue.begin() as connection:
        (again,) = [one for one in events.claim(connection, lease("two", NOW + 61), 10) if one.id == "e0"]
    assert again.attempts == 2
    with queue.begin() as connection:
        assert events.finish(connection, "one", {"e0": {}}) == frozenset()  # it lost its lease, and writes nothing
        assert events.finish(connection, "two", {"e0": {"kept": 1}}) == {"e0"}
        assert events.finish(connection, "two", {"e0": {}}) == frozenset()
        assert events.get(connection, "e0").body == {"kept": 1}
        assert events.get(connection, "e0").state == "done"
        assert events.waiting(connection) == 3


def test_a_renewed_lease_holds_and_a_released_one_does_not(queue):
    claimed(queue, lease("one"))
    with queue.begin() as connection:
        events.renew(connection, lease("one", NOW + 50))
    assert claimed(queue, lease("two", NOW + 100)) == []
    with queue.begin() as connection:
        assert events.release(connection, ["one"]) == 4
    assert len(claimed(queue, lease("two", NOW + 100))) == 4


def test_a_clock_that_is_set_back_does_not_lock_events_up(queue):
    claimed(queue, lease("one", NOW + 86_400))  # claimed before the clock was set back by a day
    assert len(claimed(queue, lease("two", NOW))) == 4
    with queue.begin() as connection:
        events.add(connection, [Event(id="late", body={}, ready_at_s=NOW + 30)])
        events.add(connection, [Event(id="never", body={}, ready_at_s=NOW + 10 * 86_400)])
    assert claimed(queue, lease("three", NOW)) == ["never"]
    assert claimed(queue, lease("three", NOW + 31)) == ["late"]


def test_one_id_is_one_event(queue):
    with queue.begin() as connection:
        events.add(connection, [event(0)])
    with pytest.raises(ConflictError, match="another event with the id 'e0'"), queue.begin() as connection:
        events.add(connection, [event(9), event(0, more=1)])
    assert "e9" not in claimed(queue, lease())


def test_spans_gather_in_one_event_until_it_is_being_judged(database):
    whole = Event(id="trace-1", body={"judges": ["a"]}, ready_at_s=NOW + 5)
    with database.begin() as connection:
        events.gather(connection, whole, [{"span_id": "1"}])
        events.gather(
            connection, Event(id="trace-1", body=whole.body, ready_at_s=NOW + 9), [{"span_id": "2"}, {"span_id": "1"}]
        )
    assert claimed(database, lease(now_s=NOW + 6)) == []  # a later span moved the moment
    with database.begin() as connection:
        (one,) = events.claim(connection, lease(now_s=NOW + 10), 5)
        events.gather(connection, whole, [{"span_id": "3"}, {"span_id": "2"}])
        assert [span["span_id"] for span in one.body["spans"]] == ["1", "2"]
        assert events.get(connection, "trace-1:2").body["span_ids"] == ["3"]
        events.finish(connection, "one", {"trace-1": {"span_ids": ["1", "2"]}})
        events.gather(connection, whole, [{"span_id": "1"}])  # an exporter sends it again
        assert events.waiting(connection) == 1
