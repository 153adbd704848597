"""Verdicts that await a person, on both databases: one item for an example, and no row that keeps others from going."""

import pytest
from sqlalchemy import func, select

from assay.schema.errors import ConflictError
from assay.store import awaiting, examples, imports, verdicts
from assay.store.labelling import queues


def test_rows_written_twice_wait_once(ready, escalated_row):
    rows = [escalated_row(0), escalated_row(1)]
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


def test_what_cannot_wait_is_told_and_keeps_nothing_else_back(ready, escalated_row):
    rows = [escalated_row(0, criterion_key="nothing/1"), escalated_row(1, example=None), escalated_row(2)]
    with ready.begin() as connection:
        refused = awaiting.add(connection, rows)
    with ready.read() as connection:
        assert list(awaiting.of(connection, ["vd_0", "vd_1", "vd_2"])) == ["vd_2"]
    assert set(refused) == {"vd_0", "vd_1"}
    assert "was not kept" in refused["vd_1"].problem


def test_an_id_that_stands_for_another_text_waits_under_the_id_of_its_content(ready, escalated_row, make_example):
    with ready.begin() as connection:
        examples.add(connection, [make_example(0, output="mail ann@example.org")], [], None)
        assert awaiting.add(connection, [escalated_row(0, "mail [EMAIL]")]) == {}
        (one,) = awaiting.of(connection, ["vd_0"]).values()
    assert one.example_id.startswith("ex-")
    with pytest.raises(ConflictError), ready.begin() as connection:
        examples.add(connection, [make_example(0, output="mail [EMAIL]")], [], None)


def test_old_ones_are_forgotten_and_their_items_stay(ready, escalated_row):
    with ready.begin() as connection:
        awaiting.add(connection, [escalated_row(0), escalated_row(1)])
        assert awaiting.forget_before(connection, "2026-01-02") == 1
        assert list(awaiting.of(connection, ["vd_0", "vd_1"])) == ["vd_1"]
        assert queues.get(connection, "escalated-advice-1").record.size == 2


def test_a_full_queue_takes_no_more_and_the_verdict_says_so(ready, escalated_row, monkeypatch):
    monkeypatch.setattr(awaiting, "MOST_OPEN", 1)
    rows = [escalated_row(0), escalated_row(1), escalated_row(0, id="vd_7")]  # the last one's example waits already
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
    ready, escalated_row, make_example, make_criterion, import_record
):
    with ready.begin() as connection:
        examples.add(connection, [make_example(1), make_example(2)], [], "im_1")
        imports.add(connection, import_record)
        examples.add(connection, [make_example(3)], [], None)
        assert awaiting.add(connection, [escalated_row(0), escalated_row(1)]) == {}
        queues.close(connection, "escalated-advice-1")
        drawn = queues.pool(connection, make_criterion(), queues.PoolFilter())
    assert drawn == ["e000001", "e000002", "e000003"]
