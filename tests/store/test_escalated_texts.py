"""Texts that are here only because a judge escalated them: they wait for no import, and go with their verdicts."""

import threading

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, select, text

from assay.schema.errors import ConflictError, InputError
from assay.store import awaiting, examples, imports, migrate, verdicts
from assay.store.database import open_database
from assay.store.labelling import queues, work
from assay.store.labelling.work import Assignment

QUEUE = "escalated-advice-1"
OLD, CUT, NEW = (f"2026-01-{day}T00:00:00.000000+00:00" for day in ("01", "10", "20"))


@pytest.fixture
def escalate(ready, escalated_row):
    """Have verdicts escalated, each of the example of a number, at a time. Returns what was refused."""

    def run(*numbers, at=OLD):
        rows = [escalated_row(number, at=at, id=f"vd_{number}_{at}") for number in numbers]
        with ready.begin() as connection:
            verdicts.add(connection, rows)
            return awaiting.add(connection, rows)

    return run


def forget(database):
    with database.begin() as connection:
        verdicts.forget_before(connection, CUT)
        awaiting.forget_before(connection, CUT)
        return awaiting.forget_texts_before(connection, CUT)


def stored(database):
    with database.read() as connection:
        return list(connection.scalars(select(examples.examples.c.id).order_by(examples.examples.c.id)))


def items(database):
    with database.read() as connection:
        found = [(one.example_id, one.state) for one in queues.iter_items(connection, QUEUE)]
        return found, queues.get(connection, QUEUE)


def test_an_old_text_goes_and_its_item_says_so(ready, escalate):
    escalate(0, 1)
    escalate(2, at=NEW)
    assert forget(ready) == 2
    found, queue = items(ready)
    assert found == [("", "expired"), ("", "expired"), ("e000002", "free")]
    assert (queue.record.size, queue.finished, queue.expired) == (3, 0, 2)
    assert stored(ready) == ["", "e000002"]
    with ready.read() as connection:
        texts = connection.scalars(select(examples.examples.c.record)).all()
    assert not any("answer 0" in one or "answer 1" in one for one in texts)
    assert forget(ready) == 0


def test_a_text_stays_as_long_as_one_verdict_of_it_does(ready, escalate):
    escalate(0)
    escalate(0, at=NEW)
    assert forget(ready) == 0
    assert items(ready)[0] == [("e000000", "free")]


def test_what_was_labelled_stays_even_where_the_label_was_taken_back(ready, escalate, make_label):
    escalate(0, 1, 2)
    with ready.begin() as connection:
        examples.add(connection, [], [make_label(0), make_label(1)], None)
        examples.take_back(connection, make_label(1))
    assert forget(ready) == 1
    assert stored(ready) == ["", "e000000", "e000001"]


@pytest.mark.parametrize("before", [True, False])
def test_what_was_imported_stays_and_may_be_drawn(ready, escalate, make_example, make_criterion, import_record, before):
    if not before:
        escalate(0)
    with ready.begin() as connection:
        imports.add(connection, import_record)
        examples.add(connection, [make_example(0)], [], "im_1")
    if before:
        escalate(0)
    escalate(1)
    assert forget(ready) == 1
    with ready.begin() as connection:
        queues.close(connection, QUEUE)
        assert queues.pool(connection, make_criterion(), queues.PoolFilter()) == ["e000000"]


def test_the_same_text_can_be_escalated_anew(ready, escalate):
    escalate(0)
    forget(ready)
    assert escalate(0, at=NEW) == {}
    assert items(ready)[0] == [("", "expired"), ("e000000", "free")]


def test_an_expired_item_is_nobodys_and_makes_room(ready, escalate, monkeypatch):
    monkeypatch.setattr(awaiting, "MOST_OPEN", 2)
    escalate(0, 1)
    with ready.begin() as connection:
        assert work.claim(connection, QUEUE, "mia", 3) == [0, 1]
        work.mark(connection, QUEUE, 1, Assignment(labeller="mia", state="skipped", value=None, event=None))
    (refused,) = escalate(2, at=NEW).values()
    assert refused.problem.startswith("The queue for people is full")
    assert forget(ready) == 2
    assert escalate(3, at=NEW) == {}
    with ready.begin() as connection:
        assert work.claim(connection, QUEUE, "mia", 3) == [2]
        assert work.assignments(connection, QUEUE, 1) == ()
        work.settle(connection, QUEUE, 0)
        assert queues.item(connection, QUEUE, 0).state == "expired"


def test_no_example_can_pass_for_the_empty_one(ready, escalate, make_example):
    with pytest.raises(InputError), ready.begin() as connection:
        examples.add_escalated(connection, make_example(id=""), OLD)
    with pytest.raises(InputError), ready.begin() as connection:
        examples.add(connection, [make_example(id="")], [], None)


def test_an_import_that_is_writing_holds_up_nothing_that_is_escalated(ready, escalate, make_example, database_url):
    """On Postgres. On SQLite there is one writer at a time, in any case."""
    if database_url.startswith("sqlite"):
        pytest.skip("one writer at a time")
    with ready.begin() as connection:
        examples.add(connection, [make_example(7)], [], None)
        done = threading.Thread(target=escalate, args=(0, 1))
        done.start()
        done.join(20)
        assert not done.is_alive()
        with ready.read() as other:
            assert queues.get(other, QUEUE).record.size == 2
        examples.add(connection, [make_example(0), make_example(8)], [], None)
    assert stored(ready) == ["e000000", "e000001", "e000007", "e000008"]


def test_two_imports_still_take_turns(ready, make_example, database_url):
    if database_url.startswith("sqlite"):
        pytest.skip("one writer at a time")
    order = []

    def second():
        with ready.begin() as connection:
            examples.add(connection, [make_example(1), make_example(2)], [], None)
            order.append("second")

    with ready.begin() as connection:
        examples.add(connection, [make_example(1)], [], None)
        other = threading.Thread(target=second)
        other.start()
        other.join(0.5)
        assert other.is_alive()
        order.append("first")
    other.join(20)
    assert order == ["first", "second"]


def test_an_id_that_was_escalated_with_another_text_is_refused_to_an_import(ready, escalate, make_example):
    escalate(0)
    with pytest.raises(ConflictError, match="two different contents"), ready.begin() as connection:
        examples.add(connection, [make_example(0, output="else")], [], None)


def test_a_database_from_before_knows_what_was_escalated(database_url, make_criterion, make_example):
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(migrate._MIGRATIONS))
        command.upgrade(config, "0007")
        for statement in _BEFORE:
            connection.execute(text(statement), {"at": OLD})
    engine.dispose()
    database = open_database(database_url)
    assert forget(database) == 1
    assert stored(database) == ["", "imported", "other"]
    database.close()


_BEFORE = (
    "INSERT INTO criteria (key, name, digest, record, created_at) VALUES ('advice/1', 'advice', 'd', '{}', :at)",
    "INSERT INTO imports (id, file_digest, criterion_key, record, created_at)"
    " VALUES ('im_1', 'd', 'advice/1', '{}', :at)",
    "INSERT INTO examples (id, content_digest, record, import_id, created_at) VALUES"
    " ('escalated', 'd', '{}', NULL, :at),"
    " ('other', 'd', '{}', NULL, :at), ('imported', 'd', '{}', 'im_1', :at)",
    "INSERT INTO label_queues (name, criterion_key, record, grown, finished, disputed, created_at)"
    " VALUES ('q', 'advice/1', '{}', 2, 0, 0, :at)",
    "INSERT INTO label_queue_items (queue, position, example_id, stratum, wanted, state)"
    " VALUES ('q', 0, 'escalated', 'listed', 1, 'free'), ('q', 1, 'imported', 'listed', 1, 'free')",
)
