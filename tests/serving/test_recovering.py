"""Refused verdicts that are written again: none lost, none twice, whatever happens meanwhile."""

import json
import os
import signal
import threading
from collections import Counter

import pytest
from kill_steps import in_child, kill_at
from refused_rows import HALF_A_PAIR, NOT_TAKEN, choosy, given, ids, recorder_of

from assay.schema.errors import AssayError, InputError
from assay.serving.process import serving_process
from assay.serving.recovering import recover
from assay.serving.refused import Refusal, RefusedVerdicts
from assay.store import verdicts
from assay.store.database import open_database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'assay.db'}"


@pytest.fixture
def database(url):
    opened = open_database(url)
    yield opened
    opened.close()


@pytest.fixture
def refused(tmp_path):
    return RefusedVerdicts(tmp_path / "serving")


@pytest.fixture
def set_aside(database, tmp_path, refused):
    """Have verdicts refused by a database that is choosy for the moment."""

    def run(*numbers):
        with serving_process(tmp_path / "serving") as process, choosy(database):
            recorder = recorder_of(database, process)
            recorder._write(recorder.rows([given(number, request_id=NOT_TAKEN) for number in numbers]))
            recorder.close()
        assert refused.count() == len(numbers)

    return run


def test_what_the_database_takes_now_is_written_and_the_rest_stays_with_its_reason(database, refused, set_aside):
    set_aside(*range(5))
    before = refused.summary()
    refused.add({"id": f"vd_{HALF_A_PAIR}"}, Refusal(problem="of another day", detail=""))
    done = recover(database, refused)
    assert (done.written, done.there_already, done.refused_again) == (5, 0, 1)
    assert sorted(ids(database)) == [f"vd_{number}" for number in range(5)]
    assert [(one.problem, one.verdicts, one.detail) for one in before.reasons] == [
        ("IntegrityError", 5, "(sqlite3.IntegrityError) no")
    ]
    ((problem, detail),) = [(one.problem, one.detail) for one in done.left.reasons]
    assert problem == "A verdict's id cannot be stored."
    assert "ud800" in detail
    assert done.left.verdicts == refused.count() == 1
    assert done.left.since > before.since


def test_on_either_database_one_that_is_never_taken_keeps_no_other_back(database_url, refused):
    opened = open_database(database_url)
    for number, trace_id in enumerate((None, HALF_A_PAIR, None)):
        one = given(number, trace_id)
        refused.add(verdicts.columns(one.given, one.example), Refusal(problem="of another day", detail=""))
    done = [recover(opened, refused) for _ in range(2)]
    there = ids(opened)
    opened.close()
    assert [(one.written, one.there_already, one.refused_again) for one in done] == [(2, 0, 1), (0, 0, 1)]
    assert sorted(there) == ["vd_0", "vd_2"]
    assert "surrogates" in done[0].left.reasons[0].detail


def test_those_that_are_there_already_are_counted_and_not_doubled(database, refused, set_aside):
    set_aside(1, 2)
    kept = {path: path.read_bytes() for path in refused.folder.iterdir()}
    recover(database, refused)
    for path, values in kept.items():
        path.write_bytes(values)
    told = []
    done = recover(database, refused, lambda done, total: told.append((done, total)))
    assert (done.written, done.there_already, done.refused_again) == (0, 2, 0)
    assert sorted(ids(database)) == ["vd_1", "vd_2"]
    assert told == [(2, 2)]
    assert list(refused.folder.iterdir()) == []


def test_a_reason_is_said_once_with_its_number_and_its_first_day(refused):
    for number, problem in enumerate(("late", "odd", "late")):
        refused.add({"id": f"vd_{number}"}, Refusal.of(InputError(problem, got=f"row {number}")))
    refused.add({"id": "vd_0"}, Refusal(problem="again", detail=""))  # it is there, and stays as it was
    (refused.folder / "torn.json").write_text('{"row": {"id"')
    summary = refused.summary()
    assert [(one.problem, one.verdicts, one.detail) for one in summary.reasons] == [
        ("late", 2, "row 0"),
        ("odd", 1, "row 1"),
    ]
    assert (summary.verdicts, summary.unreadable) == (3, 1)
    assert summary.since == summary.reasons[0].since < summary.reasons[1].since


def test_a_file_that_cannot_be_read_is_counted_and_left(database, refused, set_aside):
    set_aside(1)
    torn = [refused.folder / name for name in ("0.json", "f.json")]
    torn[0].write_bytes(b"")  # as a power cut may leave it
    torn[1].write_text('{"row": [], "problem": "x", "detail": "", "since": ""}')
    done = recover(database, refused)
    assert (done.written, done.left.unreadable, done.left.verdicts) == (1, 2, 0)
    assert sorted(refused.folder.iterdir()) == torn


def test_rows_that_were_set_aside_as_lines_are_taken_in_whole_or_torn(database, refused, set_aside):
    set_aside(1, 2)
    rows = [json.loads(path.read_bytes())["row"] for path in refused.folder.iterdir()]
    for path in refused.folder.iterdir():
        path.unlink()
    old = refused.folder.parent / "server_gone.refused"
    old.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"id": "vd_3", "tor')
    refused.take_in_lines()
    summary = refused.summary()
    done = recover(database, refused)
    assert not old.exists()
    assert [(one.problem, one.verdicts) for one in summary.reasons] == [("The reason was not written down.", 2)]
    assert (done.written, done.left.verdicts, done.left.unreadable) == (2, 0, 1)
    assert sorted(ids(database)) == ["vd_1", "vd_2"]
    assert [path.read_text() for path in refused.folder.iterdir()] == ['{"id": "vd_3", "tor']


def test_a_database_that_is_away_changes_nothing(url, database, refused, set_aside, tmp_path):
    set_aside(1)
    (tmp_path / "assay.db").rename(tmp_path / "away")
    database.close()
    (tmp_path / "assay.db").mkdir()
    with pytest.raises(AssayError):
        recover(database, refused)
    assert refused.count() == 1


def test_killed_at_every_step_it_loses_nothing_and_the_next_run_doubles_nothing(url, database, refused, set_aside):
    set_aside(*range(4))
    refused.add({"id": f"vd_{HALF_A_PAIR}"}, Refusal(problem="of another day", detail=""))
    kept = {path: path.read_bytes() for path in refused.folder.iterdir()}
    database.close()

    def run(step):
        kill_at(step, refused.folder)
        opened = open_database(url)
        recover(opened, refused)
        opened.close()

    for step in range(1, 50):
        status = in_child(lambda step=step: run(step))
        opened = open_database(url)
        there = Counter(ids(opened))
        left = {json.loads(path.read_bytes())["row"]["id"] for path in refused.folder.glob("[!.]*.json")}
        assert set(there.values()) <= {1}
        assert set(there) | left == {"vd_0", "vd_1", "vd_2", "vd_3", f"vd_{HALF_A_PAIR}"}
        assert recover(opened, refused).refused_again == 1
        assert sorted(ids(opened)) == ["vd_0", "vd_1", "vd_2", "vd_3"]
        assert refused.count() == 1
        with opened.begin() as connection:
            connection.exec_driver_sql("DELETE FROM verdicts")
        opened.close()
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        for path, values in kept.items():
            path.write_bytes(values)
    assert step > len(kept)  # it died before each removal, among others


@pytest.mark.anyio
async def test_a_server_goes_on_refusing_and_writing_meanwhile(database, refused, tmp_path):
    stop = threading.Event()
    seen = []

    def keep_recovering():
        while not stop.is_set():
            seen.append(recover(database, refused))

    with serving_process(tmp_path / "serving") as process:
        recorder = recorder_of(database, process)
        other = threading.Thread(target=keep_recovering)
        with choosy(database):
            other.start()
            for number in range(60):
                await recorder.keep((given(number, request_id=NOT_TAKEN if number % 3 else "r"),))
            assert await recorder.settled(timeout_s=20)
            seen.append(recover(database, refused))
        stop.set()
        other.join()
        recorder.close()
    recover(database, refused)
    assert sorted(ids(database)) == sorted(f"vd_{number}" for number in range(60))
    assert refused.count() == 0
    assert max(one.refused_again for one in seen) == 40
