"""What the database will never take, among verdicts that it takes."""

import json

import pytest

from assay.ingest.redaction import RedactionRules, Redactor
from assay.schema.example import Example
from assay.schema.verdict import Decided
from assay.serving.asked import VerdictGiven
from assay.serving.journal import REFUSED
from assay.serving.kept_text import KeptText
from assay.serving.process import serving_process
from assay.serving.recorder import Recorder
from assay.store import verdicts
from assay.store.database import open_database
from assay.store.verdicts import GivenVerdict, VerdictQuery

HALF_A_PAIR = "\ud800"  # no database takes it; no request can bring it either


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def database(tmp_path):
    opened = open_database(f"sqlite:///{tmp_path / 'assay.db'}")
    yield opened
    opened.close()


def given(number, trace_id=None):
    decided = Decided(label="yes", probability=0.9, probabilities={}, scores={}, judge="advice-3f2a91c0", latency_ms=1)
    return VerdictGiven(
        given=GivenVerdict(
            id=f"vd_{number}", request_id="r", name="advice", criterion="advice/1", role="champion", verdict=decided,
            action="flag", service_ms=2.0, created_at="2026-01-01", trace_id=trace_id,
        ),
        example=Example(id=f"e{number}", output="buy"),
    )  # fmt: skip


def recorder_of(database, process):
    return Recorder(database, process, KeptText(redactor=Redactor(RedactionRules()), keeps=True))


def ids(database):
    with database.read() as connection:
        return {one.given.id for one in verdicts.find(connection, VerdictQuery(limit=500))}


@pytest.mark.anyio
async def test_one_that_is_never_taken_is_set_aside_and_holds_up_nobody(database, tmp_path):
    with serving_process(tmp_path / "serving") as process:
        recorder = recorder_of(database, process)
        for number in range(9):
            await recorder.keep((given(number, HALF_A_PAIR if number == 4 else None),))
        assert await recorder.settled()
        recorder.close()
        aside = process.journal.with_suffix(REFUSED).read_text().splitlines()
    assert ids(database) == {f"vd_{number}" for number in range(9) if number != 4}
    assert [json.loads(line)["id"] for line in aside] == ["vd_4"]
    assert not process.journal.exists()


def test_one_in_the_journal_of_a_dead_process_stops_nobody_who_takes_over(database, tmp_path):
    with serving_process(tmp_path / "serving") as process:
        recorder = recorder_of(database, process)
        journal = tmp_path / "serving" / "gone.jsonl"
        rows = recorder.rows([given(1), given(2, HALF_A_PAIR), given(3)])
        journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert recorder.take_over(journal) == 3
        recorder.close()
    assert ids(database) == {"vd_1", "vd_3"}
    assert len(journal.with_suffix(REFUSED).read_text().splitlines()) == 1
    assert not journal.exists()
