"""`assay data augment` that is stopped, killed or run twice: nothing is paid again, and nothing is drawn too early."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from answering import AnsweringEndpoint, recorded_answer
from augmenting_bank import BOTH, FLIPS, PRICE, at, outputs_of

from assay.api import Workspace
from assay.api.augmenting import AugmentRequest, SamplePlan
from assay.llm.recorded_endpoint import Reply, said
from assay.schema.errors import AssayError, BudgetSpentError
from assay.store import augmentations, spending
from assay.store.labelling import queues


def test_an_endpoint_that_is_down_stops_the_run_and_the_same_command_goes_on(bank):
    down = threading.Event()
    down.set()

    def answer(question: dict) -> Reply:
        return Reply(status=503) if down.is_set() else recorded_answer(question)

    with AnsweringEndpoint(answer) as endpoint:
        words = ("data", "augment", "advice", "--kind", "flip", *PRICE, "--budget-usd", "1")
        stopped = at(bank, endpoint).run(*words, "--json").error
        assert stopped["code"] == "llm-failed"
        assert len(endpoint.asked) < 13
        down.clear()
        made = bank.ok(*words)
    assert made["kinds"][0]["made"] == len(outputs_of(bank, "train"))
    assert made["unanswered"] == 0


def test_the_budget_holds_and_more_of_it_goes_on(bank):
    with AnsweringEndpoint() as endpoint:
        at(bank, endpoint)
        words = ("data", "augment", "advice", "--kind", "flip", *PRICE)
        stopped = bank.run(*words, "--budget-usd", "0.03", "--json").error
        assert stopped["code"] == "budget-spent"
        assert "larger --budget-usd" in stopped["next_step"]
        assert 0 < bank.ok("spending")["usd"] <= 0.03
        first = len(endpoint.asked)
        assert 0 < first < len(outputs_of(bank, "train"))
        bank.ok(*words, "--budget-usd", "1")
        assert len(endpoint.asked) == len(outputs_of(bank, "train"))


def test_the_monthly_cap_of_the_workspace_holds_too(bank):
    with AnsweringEndpoint() as endpoint:
        at(bank, endpoint)
        with (bank.root / "assay.toml").open("a") as file:
            file.write("\n[spending]\ncaps = { augmentation = 0.0 }\n")
        stopped = bank.run("data", "augment", "advice", "--kind", "flip", *PRICE, "--yes", "--json").error
    assert "[spending.caps]" in stopped["next_step"]
    assert endpoint.asked == []


def test_a_kill_loses_only_what_is_in_flight(bank):
    lock, killed = threading.Lock(), []

    def answer(question: dict) -> Reply:
        with lock:
            if len(endpoint.asked) == 12 and not killed:
                killed.append(True)
                os.kill(process.pid, signal.SIGKILL)
        return recorded_answer(question)

    with AnsweringEndpoint(answer) as endpoint:
        at(bank, endpoint)
        line = [sys.executable, "-c", "from assay.cli.app import main; main()", *BOTH, *PRICE, "--yes"]
        process = subprocess.Popen(line, cwd=bank.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        (before,) = bank.ok("data", "augment", "list")["augmentations"]
        kept = sum(kind["made"] for kind in before["kinds"])
        assert kept >= 12 - 8
        asked_before = len(endpoint.asked)
        done = bank.ok(*BOTH, *PRICE, "--yes")
    assert done["id"] == before["id"]
    train = len(outputs_of(bank, "train"))
    assert len(endpoint.asked) - asked_before == 2 * train - kept
    assert sum(kind["made"] for kind in done["kinds"]) == 2 * train
    assert bank.ok(*BOTH, *PRICE, "--yes")["samples"] == done["samples"]


def test_what_another_run_made_since_the_plan_is_not_paid_for_again(bank):
    train = len(outputs_of(bank, "train"))
    with AnsweringEndpoint() as endpoint, Workspace.open(at(bank, endpoint).root) as here:
        planned = here.augmenting.plan("advice", FLIPS)
        with pytest.raises(BudgetSpentError, match=f"budget of {planned.record.id}"):
            here.augmenting.make(planned, limit_usd=0.03)
        assert 0 < len(endpoint.asked) < train
        here.augmenting.make(planned)
        assert len(endpoint.asked) == train
        here.augmenting.make(planned)
        assert here.augmenting.standing(planned.record.id).kinds[0].made == train
    assert len(endpoint.asked) == train


def test_what_was_spent_since_the_plan_counts_beside_what_is_open(bank):
    with AnsweringEndpoint() as endpoint, Workspace.open(at(bank, endpoint).root) as here:
        planned = here.augmenting.plan("advice", FLIPS)
        lost = round(planned.cost.usd_at_most * spending.MICRO)  # of calls that were billed and brought nothing
        ledger = spending.Ledger(here.labelling.database, spending.Caps())
        ledger.reserve(f"augmentation/{planned.record.id}", "scribe", lost)
        assert here.augmenting.make(planned) == 0
    assert len(endpoint.asked) == len(planned.tasks)


def test_no_sample_is_drawn_while_texts_are_made(bank):
    seen = []

    def answer(question: dict) -> Reply:
        try:
            here.augmenting.sample(planned.record.id)
        except AssayError as error:
            seen.append(error.code)
        return recorded_answer(question)

    with AnsweringEndpoint(answer) as endpoint, Workspace.open(at(bank, endpoint).root) as here:
        planned = here.augmenting.plan("advice", FLIPS)
        assert here.augmenting.make(planned) == 0
        queue = here.augmenting.sample(planned.record.id)
    assert seen == ["conflict"] * len(planned.tasks)
    assert queue.record.size == len(planned.tasks)


def test_nothing_is_made_once_a_sample_is_drawn(bank):
    with AnsweringEndpoint() as endpoint, Workspace.open(at(bank, endpoint).root) as here:
        planned = here.augmenting.plan("advice", FLIPS)
        here.augmenting.make(replace(planned, tasks=planned.tasks[:6], open=planned.open[:6]))
        here.augmenting.sample(planned.record.id)
        assert here.augmenting.make(planned) == 0
        (kind,) = here.augmenting.standing(planned.record.id).kinds
    assert (kind.asked, kind.open, len(endpoint.asked)) == (6, 0, 6)


def test_a_budget_is_not_spent_again_in_the_next_month(bank, monkeypatch):
    now = ["2026-11-30T23:59:59Z"]
    monkeypatch.setattr(spending, "utc_now", lambda: now[-1])

    def answer(question: dict) -> Reply:
        now.append("2026-12-01T00:00:00Z")
        text = json.loads(recorded_answer(question).body)["choices"][0]["message"]["content"]
        return said(text, tokens_in=0, tokens_out=2_300)  # $0.0046, of $0.0052 set aside

    with AnsweringEndpoint(answer) as endpoint, Workspace.open(at(bank, endpoint).root) as here:
        planned = here.augmenting.plan("advice", FLIPS)
        with pytest.raises(BudgetSpentError, match="does not cover another call"):
            here.augmenting.make(planned, limit_usd=0.045)  # more than eight calls set aside at once
        spent = here.augmenting.standing(planned.record.id).receipt.usd
    assert 8 * 0.0046 <= spent + 1e-9 < 0.045


def test_a_sample_is_what_its_queue_holds_where_its_drawing_was_killed(bank, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with Workspace.open(bank.root) as here:
        planned = here.augmenting.plan("advice", AugmentRequest(kinds=("swap",), per_kind=8))
        here.augmenting.make(planned)
        with monkeypatch.context() as patched:
            patched.setattr(augmentations, "mark_drawn", kill)
            with pytest.raises(Killed):
                here.augmenting.sample(planned.record.id, SamplePlan(per_kind=3))
        queue = here.augmenting.sample(planned.record.id, SamplePlan(per_kind=6))
        with here.labelling.database.read() as connection:
            queued = {item.example_id for item in queues.iter_items(connection, queue.record.name)}
            every = augmentations.derivatives_of(connection, planned.record.id)
    assert len(queued) == queue.record.size == 3
    assert {one.id for one in every if one.draw == 1} == queued
