"""Opening a database and its transactions, on SQLite and on Postgres."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError as SqlIntegrityError

from assay.schema.errors import AssayError, InputError, IntegrityError
from assay.store import criteria
from assay.store.database import open_database

OPEN = """
import sys
from assay.store.database import open_database
print("ready", flush=True)
sys.stdin.readline()
open_database(sys.argv[1]).close()
print("opened")
"""

WRITE_AND_HANG = """
import sys, time
from assay.schema.example import Example
from assay.store import examples
from assay.store.database import open_database
with open_database(sys.argv[1]).begin() as connection:
    examples.add(connection, (Example(id=str(n), output="x" * 1000) for n in range(5000)), (), None)
    print("written", flush=True)
    time.sleep(60)
"""

WITHOUT_PSYCOPG = """
import sys
sys.modules["psycopg"] = None
from assay.schema.errors import MissingExtraError
from assay.store.database import open_database
try:
    open_database("postgresql://localhost/nothing")
except MissingExtraError as error:
    print(error)
"""


def test_an_exception_rolls_everything_back(database, make_criterion):
    def record_and_fail():
        with database.begin() as connection:
            criteria.record(connection, make_criterion())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        record_and_fail()
    with database.read() as connection:
        assert criteria.every(connection) == ()


def test_what_was_committed_is_there_after_reopening(database_url, make_criterion):
    first = open_database(database_url)
    with first.begin() as connection:
        criteria.record(connection, make_criterion())
    first.close()
    second = open_database(database_url)
    with second.read() as connection:
        assert criteria.every(connection) == (make_criterion(),)
    second.close()


def test_a_read_transaction_cannot_write(database, make_criterion):
    with pytest.raises(Exception, match="read"), database.read() as connection:
        criteria.record(connection, make_criterion())
    with database.begin() as connection:
        criteria.record(connection, make_criterion())


def test_a_reader_sees_one_state_and_does_not_wait_for_a_writer(database, make_criterion):
    with database.read() as reading:
        assert criteria.every(reading) == ()
        with database.begin() as writing:
            criteria.record(writing, make_criterion())
        assert criteria.every(reading) == ()
    with database.read() as reading:
        assert len(criteria.every(reading)) == 1


def test_a_second_writer_waits_and_then_says_so(database, database_url, make_criterion):
    impatient = open_database(database_url, busy_timeout_s=0.05)
    with database.begin() as connection:
        criteria.record(connection, make_criterion())
        with pytest.raises(AssayError, match="is busy") as refusal, impatient.begin() as second:
            criteria.record(second, make_criterion())
    assert "run the same command again" in refusal.value.next_step
    impatient.close()


def test_opening_does_not_wait_for_a_writer(database, database_url, make_criterion):
    with database.begin() as connection:
        criteria.record(connection, make_criterion())
        open_database(database_url, busy_timeout_s=0.05).close()


def test_processes_may_open_a_new_database_at_once(database_url, start):
    processes = [start(OPEN, database_url) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60) for process in processes] == [("opened\n", "")] * 3


def test_a_kill_in_the_middle_of_a_write_leaves_nothing(database_url, start):
    process = start(WRITE_AND_HANG, database_url)
    assert process.stdout.readline() == "written\n", process.stderr.read()
    process.kill()
    process.communicate()
    database = open_database(database_url)
    with database.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM examples").scalar() == 0
        assert connection.exec_driver_sql("SELECT count(*) FROM criteria").scalar() == 0
    database.close()


@pytest.mark.parametrize(
    ("url", "got"),
    [
        ("mysql://root:hidden@host/db", "mysql://root:***@host/db"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "memory"),
        ("no url: hidden", "14 characters"),
    ],
)
def test_other_urls_are_refused_without_showing_a_password(url, got):
    with pytest.raises(InputError) as refusal:
        open_database(url)
    assert got in refusal.value.got
    assert "hidden" not in str(refusal.value)
    assert "postgresql://" in refusal.value.required


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_postgres_url_is_opened_with_psycopg(postgres, scheme):
    open_database(postgres.replace("postgresql", scheme, 1)).close()


def test_an_unreachable_database_is_a_sentence(tmp_path):
    for url in (f"sqlite:///{tmp_path}/absent/assay.db", f"postgresql:///name?host={tmp_path}"):
        with pytest.raises(AssayError, match="cannot be reached") as refusal:
            open_database(url)
        assert "assay init" in refusal.value.next_step
        assert tmp_path.name in refusal.value.got  # on a screen; the problem alone goes to callers of a server
        assert tmp_path.name not in refusal.value.problem


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path):
    path = tmp_path / "assay.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(IntegrityError, match="is not an SQLite file"):
        open_database(f"sqlite:///{path}")
    assert path.read_bytes() == b"not a database at all" * 100


def test_a_full_database_is_a_sentence(tmp_path, make_criterion):
    database = open_database(f"sqlite:///{tmp_path / 'assay.db'}")

    def record_in_a_full_file():
        with database.begin() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite raises it to the pages in use
            criteria.record(connection, make_criterion(question="x" * 3_000_000))

    with pytest.raises(AssayError, match="nothing was changed"):
        record_in_a_full_file()
    with database.read() as connection:
        assert criteria.every(connection) == ()
    database.close()


def test_sqlite_files_use_a_write_ahead_log(tmp_path):
    open_database(f"sqlite:///{tmp_path / 'assay.db'}").close()
    connection = sqlite3.connect(tmp_path / "assay.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_without_psycopg_the_extra_is_named(start):
    out, error = start(WITHOUT_PSYCOPG).communicate(timeout=60)
    assert "pip install 'assay[postgres]'" in out, error


def test_a_postgres_that_is_only_read_from_is_a_sentence_without_the_users_text(postgres, make_criterion):
    database = open_database(postgres)

    def record_where_nothing_may_be_written():
        with database.begin() as connection:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")  # as after a fail-over to a standby
            criteria.record(connection, make_criterion(question="write to ann@example.org"))

    with pytest.raises(AssayError, match="nothing was changed") as refusal:
        record_where_nothing_may_be_written()
    database.close()
    assert "read-only transaction" in refusal.value.got
    assert "ann@example.org" not in f"{refusal.value} {refusal.value.__cause__}"


def test_no_error_of_the_driver_holds_what_was_written(database):
    broken = text("INSERT INTO labels (example_id, value) VALUES (:id, :value)")
    with pytest.raises(SqlIntegrityError) as error, database.begin() as connection:
        connection.execute(broken, {"id": "ann@example.org", "value": None})
    assert "parameters hidden" in str(error.value)
