"""What the database will never take, among verdicts that it takes."""

import json

import pytest
from refused_rows import HALF_A_PAIR, given, ids, recorder_of

from assay.serving.process import serving_process
from assay.serving.refused import FOLDER
from assay.store.database import open_database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def database(tmp_path):
    opened = open_database(f"sqlite:///{tmp_path / 'assay.db'}")
    yield opened
    opened.close()


@pytest.mark.anyio
async def test_one_that_is_never_taken_is_set_aside_and_holds_up_nobody(database, tmp_path):
    with serving_process(tmp_path / "serving") as process:
        recorder = recorder_of(database, process)
        for number in range(9):
            await recorder.keep((given(number, HALF_A_PAIR if number == 4 else None),))
        assert await recorder.settled()
        recorder.close()
    assert set(ids(database)) == {f"vd_{number}" for number in range(9) if number != 4}
    (file,) = (tmp_path / "serving" / FOLDER).iterdir()
    values = json.loads(file.read_text())
    assert values["row"]["id"] == "vd_4"
    assert values["row"]["trace_id"] == HALF_A_PAIR
    assert (values["problem"], "surrogates" in values["detail"]) == ("UnicodeEncodeError", True)
    assert file.stat().st_mode & 0o077 == 0
    assert not process.journal.exists()


def test_one_in_the_journal_of_a_dead_process_stops_nobody_who_takes_over(database, tmp_path):
    with serving_process(tmp_path / "serving") as process:
        recorder = recorder_of(database, process)
        journal = tmp_path / "serving" / "gone.jsonl"
        rows = recorder.rows([given(1), given(2, HALF_A_PAIR), given(3)])
        for _ in range(2):  # a taking over that is killed right before its end is done again
            journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
            assert recorder.take_over(journal) == 3
        recorder.close()
    assert sorted(ids(database)) == ["vd_1", "vd_3"]
    assert recorder.refused.summary().verdicts == recorder.refused.count() == 1
    assert not journal.exists()
