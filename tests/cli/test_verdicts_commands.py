"""`assay verdicts refused | recover`: what stands on the screen and in JSON; the parts are tested in tests/serving."""

import pytest
from shop import run_in

from assay.config import read_settings
from assay.schema.verdict import Failed
from assay.serving.refused import Refusal, RefusedVerdicts
from assay.store import verdicts
from assay.store.verdicts import GivenVerdict

LATE = Refusal(problem="IntegrityError", detail="(sqlite3.IntegrityError) no")


@pytest.fixture
def workspace(tmp_path):
    assert run_in(tmp_path, "init").status == 0
    return tmp_path


@pytest.fixture
def place(workspace):
    return RefusedVerdicts(read_settings(workspace).serving_files)


def row(number, **changes):
    said = Failed(reason="late", action="flag", judge="advice-3f2a91c0", reason_code="deadline-exceeded")
    given = GivenVerdict(
        id=f"vd_{number}", request_id="r", name="advice", criterion="advice/1", role="champion", verdict=said,
        action="flag", service_ms=2.0, created_at="2026-01-01",
    )  # fmt: skip
    return {**verdicts.columns(given, None), **changes}


def test_without_any_both_say_so(workspace):
    shown = run_in(workspace, "verdicts", "refused")
    done = run_in(workspace, "verdicts", "recover", "--json")
    assert (shown.status, shown.out) == (0, "No verdict is refused.\n")
    assert (done.status, done.json["written"], done.json["left"]["since"]) == (0, 0, None)
    assert not (workspace / ".assay" / "serving").exists()


def test_they_are_listed_by_reason_and_brought_back(workspace, place):
    place.add(row(3, id="vd_\ud800"), LATE)
    for number in range(3):
        place.add(row(number), LATE)
    listed = run_in(workspace, "verdicts", "refused")
    as_json = run_in(workspace, "verdicts", "refused", "--json").json
    done = run_in(workspace, "verdicts", "recover")
    after = run_in(workspace, "verdicts", "refused", "--json").json
    again = run_in(workspace, "verdicts", "recover", "--json").json
    assert listed.status == done.status == 0
    assert "4 refused since 2" in listed.out
    assert "(sqlite3.IntegrityError) no" in listed.out
    assert "assay verdicts recover" in listed.out
    assert [(one["problem"], one["verdicts"]) for one in as_json["reasons"]] == [("IntegrityError", 4)]
    assert as_json["folder"] == str(workspace / ".assay" / "serving" / "refused")
    assert "3 written, 0 were there already, 1 refused again" in done.out
    assert "A verdict's id cannot be stored." in done.out
    assert (after["verdicts"], after["since"]) == (1, as_json["since"])
    assert (again["written"], again["refused_again"], again["left"]["verdicts"]) == (0, 1, 1)


def test_a_database_that_is_not_there_is_refused_and_nothing_moves(workspace, place):
    place.add(row(1), LATE)
    settings = workspace / "assay.toml"
    settings.write_text('[store]\nurl = "sqlite:///nowhere/assay.db"\n')
    ended = run_in(workspace, "verdicts", "recover", "--json")
    assert ended.error["problem"] == "The database cannot be reached."
    assert place.count() == 1
