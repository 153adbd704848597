"""Verdicts as the recorder gets them, and what keeps an SQLite database from taking some of them."""

from contextlib import contextmanager

from sqlalchemy import text

from assay.ingest.redaction import RedactionRules, Redactor
from assay.schema.example import Example
from assay.schema.verdict import Decided
from assay.serving.asked import VerdictGiven
from assay.serving.kept_text import KeptText
from assay.serving.recorder import Recorder
from assay.store import verdicts
from assay.store.verdicts import GivenVerdict, VerdictQuery

HALF_A_PAIR = "\ud800"  # no database takes it; no request can bring it either
NOT_TAKEN = "not taken today"


def given(number, trace_id=None, request_id="r"):
    decided = Decided(label="yes", probability=0.9, probabilities={}, scores={}, judge="advice-3f2a91c0", latency_ms=1)
    return VerdictGiven(
        given=GivenVerdict(
            id=f"vd_{number}", request_id=request_id, name="advice", criterion="advice/1", role="champion",
            verdict=decided, action="flag", service_ms=2.0, created_at="2026-01-01", trace_id=trace_id,
        ),
        example=Example(id=f"e{number}", output="buy"),
    )  # fmt: skip


def recorder_of(database, process):
    return Recorder(database, process, KeptText(redactor=Redactor(RedactionRules()), keeps=True))


def ids(database):
    with database.read() as connection:
        return [one.given.id for one in verdicts.find(connection, VerdictQuery(limit=10_000))]


@contextmanager
def choosy(database):
    """Meanwhile it refuses the rows whose request is NOT_TAKEN, as a constraint of somebody's would."""
    refuse = f"BEFORE INSERT ON verdicts WHEN NEW.request_id = '{NOT_TAKEN}' BEGIN SELECT RAISE(ABORT, 'no'); END"
    with database.begin() as connection:
        connection.execute(text(f"CREATE TRIGGER choosy {refuse}"))
    try:
        yield
    finally:
        with database.begin() as connection:
            connection.execute(text("DROP TRIGGER choosy"))
