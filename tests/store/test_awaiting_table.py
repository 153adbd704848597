"""Verdicts that await a person, on both databases: one item for an example, and no row that keeps others from going."""

import pytest
from sqlalchemy import func, select

from assay.schema.errors import ConflictError
from assay.schema.verdict import AWAITING_PERSON, BY_PEOPLE, Abstained
from assay.store import awaiting, criteria, examples, imports, verdicts
from assay.store.imports import ImportRecord
from assay.store.labelling import queues
from assay.store.verdicts import GivenVerdict

IMPORT = ImportRecord(
    id="im_1",
    file_name="rows.jsonl",
    file_digest="a" * 64,
    criterion_key="advice/1",
    counts={"rows": 2},
    set_aside=None,
    created_at="2026-01-01T00:00:00.000000+00:00",
)


@pytest.fixture
def row(make_example):
    def make(number, text=None, criterion="advice/1", **changes):
        said = Abstained(
            reason="unsure",
            probabilities={"yes": 0.5, "no": 0.5},
            scores={},
            judge="advice-0",
            latency_ms=1.0,
            route=BY_PEOPLE,
            reason_code=AWAITING_PERSON,
        )
        given = GivenVerdict(
            id=f"vd_{number}",
            request_id="r",
            name="advice",
            criterion=criterion,
            role="champion",
            verdict=said,
            action="flag",
            service_ms=1.0,
            created_at=f"2026-01-0{number + 1}T00:00:00.000000+00:00",
        )
        example = make_example(number, output=text or f"answer {number}")
        return {**verdicts.columns(given, example), **changes}

    return make


@pytest.fixture
def ready(database, make_criterion):
    with database.begin() as connection:
        criteria.record(connection, make_criterion())
    return database


def test_rows_written_twice_wait_once(ready, row):
    rows = [row(0), row(1)]
    for _ in range(2):
        with ready.begin() as connection:
            verdicts.add(connection, rows)
            assert awaiting.add(connection, rows) == {}
    with ready.read() as connection:
        found = awaiting.of(connection, ["vd_0", "vd_1", "vd_9"])
        queue = queues.get(connection, "escalated-advice-1")
        items = [one.example_id for one in queues.iter_items(connection, queue.record.name)]
    assert {verdict: one.position for verdict, one in found.items()} == {"vd_0": 0, "vd_1": 1}
    assert {one.state for one in found.values()} == {"awaiting"}
    assert (queue.record.size, queue.finished) == (2, 0)
    assert items == ["e000000", "e000001"]


def test_what_cannot_wait_is_told_and_keeps_nothing_else_back(ready, row):
    rows = [row(0, criterion="nothing/1"), row(1, example=None), row(2)]
    with ready.begin() as connection:
        refused = awaiting.add(connection, rows)
    with ready.read() as connection:
        assert list(awaiting.of(connection, ["vd_0", "vd_1", "vd_2"])) == ["vd_2"]
    assert set(refused) == {"vd_0", "vd_1"}
    assert "was not kept" in refused["vd_1"].problem


def test_an_id_that_stands_for_another_text_waits_under_the_id_of_its_content(ready, row, make_example):
    with ready.begin() as connection:
        examples.add(connection, [make_example(0, output="mail ann@example.org")], [], None)
        assert awaiting.add(connection, [row(0, text="mail [EMAIL]")]) == {}
        (one,) = awaiting.of(connection, ["vd_0"]).values()
    assert one.example_id.startswith("ex-")
    with pytest.raises(ConflictError), ready.begin() as connection:
        examples.add(connection, [make_example(0, output="mail [EMAIL]")], [], None)


def test_old_ones_are_forgotten_and_their_items_stay(ready, row):
    with ready.begin() as connection:
        awaiting.add(connection, [row(0), row(1)])
        assert awaiting.forget_before(connection, "2026-01-02") == 1
        assert list(awaiting.of(connection, ["vd_0", "vd_1"])) == ["vd_1"]
        assert queues.get(connection, "escalated-advice-1").record.size == 2


def test_a_full_queue_takes_no_more_and_the_verdict_says_so(ready, row, monkeypatch):
    monkeypatch.setattr(awaiting, "MOST_OPEN", 1)
    rows = [row(0), row(1), {**row(0), "id": "vd_7"}]  # the last one's example waits already
    with ready.begin() as connection:
        verdicts.add(connection, rows)
        refused = awaiting.add(connection, rows)
    with ready.read() as connection:
        found = awaiting.of(connection, ["vd_0", "vd_1", "vd_7", "vd_9"])
        kept = connection.scalar(select(func.count()).select_from(examples.examples))
    assert list(refused) == ["vd_1"]
    assert "is full" in refused["vd_1"].problem
    assert {name: one.state for name, one in found.items()} == {
        "vd_0": "awaiting",
        "vd_7": "awaiting",
        "vd_1": "not-queued",
    }
    assert (found["vd_1"].queue, found["vd_1"].position) == (None, None)
    assert kept == 1


def test_what_was_escalated_is_drawn_into_no_other_queue_unless_it_was_imported(
    ready, row, make_example, make_criterion
):
    with ready.begin() as connection:
        examples.add(connection, [make_example(1), make_example(2)], [], "im_1")
        imports.add(connection, IMPORT)
        examples.add(connection, [make_example(3)], [], None)
        assert awaiting.add(connection, [row(0), row(1)]) == {}
        queues.close(connection, "escalated-advice-1")
        drawn = queues.pool(connection, make_criterion(), queues.PoolFilter())
    assert drawn == ["e000001", "e000002", "e000003"]
