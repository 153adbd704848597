"""kill -9 at any moment: what was acknowledged is judged, once. And a database or a disk that is not there."""

import fcntl
import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections import Counter

import httpx
import pytest
from server_process import ServerProcess

from assay.schema.errors import AssayError
from assay.serving.journal import Journal, rows_left
from assay.serving.process import serving_process
from assay.store import events, verdicts
from assay.store.database import open_database
from assay.store.verdicts import VerdictQuery

EVENTS, KILLS = 300, 2


def test_acknowledged_events_are_judged_once_however_often_the_server_is_killed(shop):
    shop.add(alias="champion")
    server = ServerProcess(shop.root)
    sent = 0
    try:
        for round_ in range(KILLS + 1):
            with httpx.Client(base_url=server.url, headers={"X-Request-Id": "one"}) as client:
                upto = EVENTS * (round_ + 1) // (KILLS + 1)
                while sent < upto:
                    batch = [
                        {"judges": ["advice"], "event_id": f"e{number}", "output": f"text {number}"}
                        for number in range(sent, min(sent + 25, upto))
                    ]
                    assert client.post("/v1/events", json={"events": batch}).status_code == 202
                    sent += len(batch)
                client.post("/v1/judge", json={"judges": ["advice"], "output": f"round {round_}"})
            if round_ < KILLS:
                server.kill()  # right behind the last acknowledgement
                server.start()
        database = open_database(shop.settings.database_url)
        for _ in range(600):
            with database.read() as connection:
                if not events.waiting(connection):
                    break
            time.sleep(0.05)
        with database.read() as connection:
            found = verdicts.find(connection, VerdictQuery(limit=10_000))
        database.close()
    finally:
        server.kill()
    per_event = Counter(one.given.event_id for one in found if one.given.event_id)
    assert len(per_event) == EVENTS
    assert set(per_event.values()) == {1}
    # what was answered directly is there too, the last one perhaps still in the journal of the process just killed
    assert len([one for one in found if one.given.event_id is None]) >= KILLS


def test_a_process_that_died_is_told_from_one_that_lives(tmp_path):
    with serving_process(tmp_path) as first, serving_process(tmp_path) as second:
        assert list(second.dead()) == []
        (tmp_path / "server_gone.lock").touch()
        assert [name for name, _ in first.dead()] == ["server_gone"]
        assert list(second.dead()) == []


def test_a_journal_keeps_what_was_appended_and_forgets_what_was_moved(tmp_path):
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    journal.append([{"id": "a"}, {"id": "ü\ud800"}])
    assert list(rows_left(path)) == [[{"id": "a"}, {"id": "ü\ud800"}]]
    with path.open("ab") as file:
        file.write(b'{"id": "cut off')  # by a kill in the middle of a write; it was never acknowledged
    assert [row["id"] for rows in rows_left(path) for row in rows] == ["a", "ü\ud800"]
    journal.forget(2)
    journal.close()
    assert not path.exists()


def test_a_line_that_cannot_be_read_is_set_aside_and_hides_nothing_behind_it(tmp_path):
    path = tmp_path / "j.jsonl"
    path.write_bytes(b'{"id": "a"}\n\0\0\0{"id"\n{"id": "b"}\n')  # as a power cut in the middle of a write may leave it
    for _ in range(2):  # it is read again where the database was away
        assert [row["id"] for rows in rows_left(path) for row in rows] == ["a", "b"]
    assert (tmp_path / "j.damaged").read_bytes() == b'\0\0\0{"id"\n'


def test_a_full_disk_refuses_the_verdict_and_leaves_what_was_there(tmp_path):
    """In a child process, whose files may not grow above a limit: the system's own "no more room"."""
    path = tmp_path / "j.jsonl"
    program = f"""
import json, resource, signal
from pathlib import Path
from assay.schema.errors import AssayError
from assay.serving.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
journal = Journal(Path({str(path)!r}))
journal.append([{{"id": "a"}}])
try:
    journal.append([{{"id": "b" * 200}}])
except AssayError as error:
    print(error.problem)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("A verdict could not be recorded, so it is not given: File too large")
    assert path.read_text() == '{"id": "a"}\n'
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100


@pytest.mark.anyio
async def test_a_database_that_is_away_loses_nothing_and_stops_no_guardrail(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        await client.post("/v1/judge", json=asked("first"))
        assert await serving.recorder.settled()
        other = sqlite3.connect(shop.settings.data / "assay.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")  # as another process that holds the file and does not let go
        answer = await client.post("/v1/judge", json=asked("second"))
        journal = serving.process.journal.read_text()
        other.execute("ROLLBACK")
        other.close()
        assert await serving.recorder.settled(timeout_s=20)
        found = (await client.get("/v1/verdicts")).json()["verdicts"]
    assert answer.status_code == 200
    assert json.loads(journal.splitlines()[-1])["id"] == answer.json()["verdicts"][0]["id"]
    assert found[0]["id"] == answer.json()["verdicts"][0]["id"]
    assert len(found) == 2
    assert list(shop.settings.serving_files.iterdir()) == []


def test_a_server_that_starts_is_never_taken_for_a_dead_one(tmp_path, monkeypatch):
    lock_file = fcntl.flock

    with serving_process(tmp_path) as living:

        def lock_after_another_looked(*given):
            monkeypatch.setattr(fcntl, "flock", lock_file)
            list(living.dead())  # its periodic look falls between the making of the file and the lock
            lock_file(*given)

        monkeypatch.setattr(fcntl, "flock", lock_after_another_looked)
        with serving_process(tmp_path) as starting:
            assert (tmp_path / f"{starting.name}.lock").exists()
            assert list(living.dead()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_locks_is_refused(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(AssayError, match="cannot lock"), serving_process(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
