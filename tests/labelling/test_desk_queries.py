"""A key press reads by index only: no statement behind it walks through a table that grows with the queue."""

import pytest
from sqlalchemy import Engine, event

from assay.labelling.desk import hand_of, take, undo_last
from assay.store.labelling import people

GROWING = ("label_queue_items", "label_assignments", "label_events", "labels", "examples")


@pytest.fixture
def statements():
    """Every statement that runs while a test does, with its parameters."""
    heard = []

    def hear(connection, cursor, statement, parameters, context, many):
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            heard.append((statement, parameters[0] if many else parameters))

    event.listen(Engine, "before_cursor_execute", hear)
    yield heard
    event.remove(Engine, "before_cursor_execute", hear)


def plan_of(connection, statement, parameters):
    return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def test_no_statement_behind_a_key_press_walks_through_a_growing_table(filled, person, queued, said, statements):
    with filled.read() as connection:
        backend = connection.dialect.name
    if backend != "sqlite":
        pytest.skip("plans of an almost empty PostgreSQL table say nothing")
    mia, queue = person("mia"), queued(budget=12, overlap_share=0.5)
    del statements[:]
    first = hand_of(filled, mia, queue.record.name).items[0]
    take(filled, mia, said(queue, first.position, "yes"))
    take(filled, mia, said(queue, hand_of(filled, mia, queue.record.name).positions[0], kind="skip"))
    undo_last(filled, mia, queue.record.name, "undo-12345678")
    with filled.read() as connection:
        people.signed_in(connection, "0" * 64)
    asked = dict(statements)
    assert len(asked) > 15
    with filled.read() as connection:
        for statement, parameters in asked.items():
            plan = plan_of(connection, statement, parameters)
            walks = [step for step in plan if step.startswith("SCAN") and step.split()[1] in GROWING]
            assert not walks, (statement, plan)
            searches = [step for step in plan if step.startswith("SEARCH label_queue_items")]
            assert all("position" in step for step in searches), (statement, plan)
