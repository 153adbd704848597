"""`assay data augment`, from the price to rows in a frozen dataset; answers come from a recorded model."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from answering import RECORDED, TOKENS_IN, TOKENS_OUT, AnsweringEndpoint, recorded_answer
from shop import CRITERION, Shop, write_rows

from assay.api import Workspace
from assay.api.augmenting import AugmentRequest, SamplePlan
from assay.datasets.frozen_rows import load_rows
from assay.labelling.desk import hand_of, take
from assay.llm.prices import Price
from assay.llm.recorded_endpoint import Reply, said
from assay.schema.errors import AssayError, BudgetSpentError
from assay.store import augmentations, spending
from assay.store.blobs import Blobs
from assay.store.labelling import queues
from assay.store.labelling.answers import Answer

FREEZE = ("data", "freeze", "advice", "--min-test-per-class", "1")
BOTH = ("data", "augment", "advice", "--kind", "flip,paraphrase", "--per-kind", "50", "--sample", "50")
PRICE = ("--price-per-million", "1,2")
FLIPS = AugmentRequest(kinds=("flip",), per_kind=50, price=Price(input=1.0, output=2.0))
USD = (TOKENS_IN * 1 + TOKENS_OUT * 2) / 1e6  # of one recorded answer
MADE_FOR = {
    row[kind]: row["label"] if kind == "paraphrase" else {"advice": "no_advice", "no_advice": "advice"}[row["label"]]
    for row in RECORDED
    for kind in ("flip", "paraphrase")
}


@pytest.fixture(scope="module")
def frozen_bank(tmp_path_factory):
    """A workspace with the 24 written rows, labelled by an expert and frozen. Do not write here: take `bank`."""
    root = tmp_path_factory.mktemp("bank")
    (root / "criteria").mkdir()
    (root / "criteria" / "advice.toml").write_text(CRITERION)
    shop = Shop(root=root, backbone="none")
    shop.ok("init", "--criterion", "advice")
    rows = [{name: row[name] for name in ("id", "input", "output", "label")} for row in RECORDED]
    write_rows(root / "rows.jsonl", rows)
    shop.ok("data", "import", "rows.jsonl", "--criterion", "advice", "--label-source", "expert")
    shop.ok(*FREEZE)
    return root


@pytest.fixture
def bank(frozen_bank, tmp_path):
    """A copy of the workspace."""
    shutil.copytree(frozen_bank, tmp_path / "bank")
    return Shop(root=tmp_path / "bank", backbone="none")


def at(shop: Shop, endpoint: AnsweringEndpoint) -> Shop:
    with (shop.root / "assay.toml").open("a") as file:
        file.write(f'\n[llm.writer]\nbase_url = "{endpoint.base_url}"\nmodel = "scribe"\nmax_retries = 0\n')
    return shop


def rows_of(shop: Shop, dataset: str):
    with Workspace.open(shop.root) as here:
        return load_rows(Blobs(here.settings.blobs), here.dataset(dataset))


def outputs_of(shop: Shop, split: str) -> list[str]:
    newest = shop.ok("data", "list")["datasets"][-1]["id"]
    return [row.example.output for row in rows_of(shop, newest) if row.split == split]


def answer_queue(shop: Shop, queue: str, wrong: int = 0, who: str = "mia") -> int:
    """Let an expert answer a queue as its texts were made for, the first `wrong` flips otherwise. Returns how many."""
    with Workspace.open(shop.root) as here:
        if who not in {one.name for one in here.labelling.labellers()}:
            here.labelling.add_labeller(who)
        (labeller,) = [one for one in here.labelling.labellers() if one.name == who]
        database, answered = here.labelling.database, 0
        hand = hand_of(database, labeller, queue)
        while hand.items:
            item = hand.items[0]
            assert item.hint is None  # blind
            value = MADE_FOR[item.example.output]
            if wrong and any(row["flip"] == item.example.output for row in RECORDED):
                value, wrong = {"advice": "no_advice", "no_advice": "advice"}[value], wrong - 1
            key = f"key-{queue}-{item.position}"
            given = Answer(key=key, queue=queue, position=item.position, kind="label", value=value)
            hand = take(database, labeller, given)
            answered += 1
    return answered


def test_the_cost_is_said_and_nothing_is_spent_without_consent(bank):
    with AnsweringEndpoint() as endpoint:
        at(bank, endpoint)
        unpriced = bank.run(*BOTH, "--yes", "--json").error
        assert "price of the model 'scribe' is not known" in unpriced["problem"]
        assert "--price-per-million" in unpriced["next_step"]
        refused = bank.run(*BOTH, *PRICE)
        assert refused.status == 2
        assert "nobody agreed to the cost" in refused.err
        train = len(outputs_of(bank, "train"))
        assert f"{2 * train} calls to scribe at {endpoint.base_url}" in refused.out
        assert "($1 in, $2 out, a million tokens)" in refused.out
    assert endpoint.asked == []
    assert bank.ok("data", "augment", "list")["augmentations"] == []
    assert bank.ok("spending")["usd"] == 0


def test_at_a_terminal_it_asks(bank):
    def answered(word: str) -> tuple[int, str]:
        main, side = pty.openpty()
        line = [sys.executable, "-c", "from assay.cli.app import main; main()", *BOTH, *PRICE]
        with subprocess.Popen(
            line, cwd=bank.root, stdin=side, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            os.write(main, word.encode())
            _, err = process.communicate(timeout=60)
        os.close(main)
        os.close(side)
        return process.returncode, err.decode()

    with AnsweringEndpoint() as endpoint:
        at(bank, endpoint)
        status, said_then = answered("n\n")
        assert (status, endpoint.asked) == (2, [])
        assert "Spend up to $" in said_then
        status, said_then = answered("y\n")
        assert status == 0, said_then
        assert len(endpoint.asked) == 2 * len(outputs_of(bank, "train"))


def test_from_train_rows_to_train_rows(bank):
    with AnsweringEndpoint() as endpoint:
        made = at(bank, endpoint).ok(*BOTH, *PRICE, "--yes")
    train = outputs_of(bank, "train")
    assert sorted(endpoint.rows_asked()) == sorted(
        (row["output"], label)
        for row in RECORDED
        if row["output"] in train
        for label in ("advice", "no_advice")  # one of them is a flip, the other a paraphrase
    )
    assert made["cost"]["calls"] == 2 * len(train)
    assert bank.ok("spending")["usd"] == pytest.approx(2 * len(train) * USD)
    assert made["cost"]["usd_at_most"] > 2 * len(train) * USD
    assert [(kind["kind"], kind["state"]) for kind in made["kinds"]] == [
        ("paraphrase", "with experts"),
        ("flip", "with experts"),
    ]
    (queue,) = made["samples"]
    not_yet = bank.run("data", "augment", "accept", made["id"], "--json").error
    assert not_yet["code"] == "refused"
    assert f"flip: {len(train)} of {len(train)} not answered" in not_yet["got"]

    assert answer_queue(bank, queue, wrong=3) == 2 * len(train)
    before = bank.ok(*FREEZE)  # nothing is decided: nothing of it may enter
    assert "train" not in before["synthetic"]
    done = bank.ok("data", "augment", "accept", made["id"], "--agreement-floor", "0.7")
    kept, refused = done["receipt"]["kinds"]
    assert (kept["kind"], kept["kept"], kept["agreed"], kept["sampled"]) == ("paraphrase", True, len(train), len(train))
    assert kept["agreement"]["share"]["low"] == pytest.approx(0.025 ** (1 / len(train)))
    assert (refused["kind"], refused["kept"], refused["agreed"]) == ("flip", False, len(train) - 3)
    assert len(kept["prompt_digest"]) == 64
    assert done["receipt"]["generator"]["model"] == "scribe"
    assert done["kinds"][1]["answers_needed"]["if_all_agree"] > 0

    again = bank.ok("data", "augment", "accept", made["id"], "--agreement-floor", "0.7")
    assert again == done
    after = bank.ok(*FREEZE)
    assert after["synthetic"] == {"train": len(train)}
    assert {split: after["counts"][split] for split in ("dev", "calibration", "test")} == {
        split: before["counts"][split] for split in ("dev", "calibration", "test")
    }
    (receipt,) = after["receipts"]
    assert receipt["id"] == made["id"]
    assert [kind["kind"] for kind in receipt["kinds"]] == ["paraphrase"]
    synthetic = [row for row in rows_of(bank, after["id"]) if row.example.source == "synthetic"]
    assert {row.example.output for row in synthetic} == {
        row["paraphrase"] for row in RECORDED if row["output"] in train
    }
    assert {row.example.meta["augmentation"]["receipt"] for row in synthetic} == {made["id"]}
    assert after["dropped"]["synthetic, of a kind that no receipt keeps"] == len(train)


def test_unsampled_rows_enter_with_the_label_that_they_were_made_for(bank):
    with AnsweringEndpoint() as endpoint:
        at(bank, endpoint)
        words = ("data", "augment", "advice", "--kind", "paraphrase", *PRICE, "--budget-usd", "1", "--sample", "9")
        made = bank.ok(*words)
    answer_queue(bank, made["samples"][0])
    done = bank.ok("data", "augment", "accept", made["id"], "--agreement-floor", "0.6")
    assert done["receipt"]["kinds"][0]["sampled"] == 9
    rows = [row for row in rows_of(bank, bank.ok(*FREEZE)["id"]) if row.example.source == "synthetic"]
    sources = [row.target.source for row in rows]
    assert sources.count("expert") == 9
    assert sources.count("teacher") == len(outputs_of_recorded(rows)) - 9 > 0
    assert all(row.target.value == MADE_FOR[row.example.output] for row in rows)
    labeller = {label.labeller for row in rows for label in row.labels if label.source == "teacher"}
    assert labeller == {made["id"]}
    assert bank.run("data", "next", "--criterion", "advice", "--budget", "3", "--json").error["code"] == "refused"


def outputs_of_recorded(rows) -> set[str]:
    return {row.example.output for row in rows}


def test_a_refused_kind_may_show_more_answers(bank):
    with AnsweringEndpoint() as endpoint:
        at(bank, endpoint)
        made = bank.ok("data", "augment", "advice", "--kind", "flip", *PRICE, "--yes", "--sample", "5")
    total = len(endpoint.asked)
    answer_queue(bank, made["samples"][0])
    accept = ("data", "augment", "accept", made["id"], "--agreement-floor", "0.6")
    first = bank.ok(*accept)
    assert first["kinds"][0]["state"] == "refused"  # 5 of 5: lower bound 0.025 ** (1 / 5) = 0.478
    assert first["kinds"][0]["answers_needed"]["if_all_agree"] == 4  # 0.0125 ** (1 / 9) = 0.615, of 8 answers 0.578
    more = bank.ok("data", "augment", "sample", made["id"], "--sample", "50")
    assert more["queued"] == total - 5
    answer_queue(bank, more["queue"])
    second = bank.ok(*accept)["receipt"]["kinds"][0]
    assert (second["sampled"], second["look"], second["confidence"]) == (total, 2, 0.975)
    assert second["agreement"]["share"]["low"] == pytest.approx(0.0125 ** (1 / total))
    assert second["kept"]
    assert "can be drawn" in bank.run("data", "augment", "sample", made["id"], "--json").error["problem"]


def test_what_nobody_answers_counts_against_once_the_queue_is_closed(bank):
    with AnsweringEndpoint() as endpoint:
        at(bank, endpoint)
        made = bank.ok("data", "augment", "advice", "--kind", "flip", *PRICE, "--yes")
    bank.ok("label", "queue", "close", made["samples"][0])
    done = bank.ok("data", "augment", "accept", made["id"])
    assert done["kinds"][0]["unanswered"] == len(endpoint.asked)
    assert not done["receipt"]["kinds"][0]["kept"]
    assert done["receipt"]["kinds"][0]["agreement"].keys() == {"share"}


def test_what_cannot_be_used_is_set_aside_with_a_reason(bank):
    said_last: dict[str, int] = {}

    def answer(question: dict) -> Reply:
        row = json.loads(question["messages"][1]["content"])["row"]
        place = said_last.setdefault(row["output"], len(said_last))
        odd = {
            0: said("Sure! Here is the text you asked for."),
            1: said(json.dumps({"text": row["output"].upper()})),
            2: said(json.dumps({"text": ""})),
            3: said(json.dumps({"text": "far too long " * 100})),
            4: Reply(status=400),
        }
        return odd.get(place) or recorded_answer(question)

    with AnsweringEndpoint(answer) as endpoint:
        at(bank, endpoint)
        made = bank.ok("data", "augment", "advice", "--kind", "flip", *PRICE, "--yes")
    (kind,) = made["kinds"]
    reasons = sorted(kind["set_aside"])
    assert [reason.partition(" (")[0] for reason in reasons] == [
        "the answer is no JSON",
        "the endpoint rejected the call",
        "the text is empty: the model declined",
        "the text is its parent's",
        "the text is too long",
    ]
    assert kind["made"] == len(said_last) - 5


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


def test_swaps_cost_nothing_and_need_no_model(bank):
    made = bank.ok("data", "augment", "advice", "--kind", "swap", "--per-kind", "4")
    assert made["cost"]["calls"] == 0
    (kind,) = made["kinds"]
    assert (kind["made"] + sum(kind["set_aside"].values()), kind["state"]) == (4, "with experts")
    shown = bank.ok("data", "augment", "show", made["id"])
    assert shown["receipt"]["generator"] is None
    assert shown["receipt"]["usd"] == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--kind", "flipp"), "no such kind"),
        (("--kind", ""), "one kind or more"),
        (("--kind", "reference-drop"), "does not suit"),
        (("--kind", "policy-flip"), "does not suit"),
        (("--kind", "swap", "--per-kind", "0"), "makes texts"),
        (("--kind", "swap", "--sample", "0"), "sample holds texts"),
        (("--kind", "swap", "--good", "fine"), "not on the scale"),
        (("--kind", "swap", "--good", "advice", "--bad", "advice"), "differ"),
        (("--kind", "flip"), "No language model"),
        (("--kind", "flip", "--endpoint", "nobody"), "No language model"),
        (("--kind", "flip", "--price-per-million", "cheap"), "takes two prices"),
        (("--kind", "swap", "--dataset", "none"), "no dataset"),
        (("--kind", "swap", "--budget-usd", "-1"), "an amount"),
    ],
)
def test_bad_words_are_refused_and_nothing_is_stored(bank, words, problem):
    assert problem in bank.run("data", "augment", "advice", *words, "--json").error["problem"]
    assert bank.ok("data", "augment", "list")["augmentations"] == []
    assert bank.ok("label", "queue", "list")["queues"] == []


def test_an_unknown_receipt_is_named(bank):
    for command in ("show", "accept", "sample"):
        error = bank.run("data", "augment", command, "advice-augment-00000000", "--json").error
        assert error["code"] == "not-found"
    assert "share" in bank.run("data", "augment", "accept", "x", "--agreement-floor", "1", "--json").error["problem"]


def test_without_a_frozen_dataset_there_is_nothing_to_make_from(bank):
    path = bank.root / "criteria" / "advice.toml"
    path.write_text(path.read_text().replace('version = "1"', 'version = "2"'))
    error = bank.run("data", "augment", "advice", "--kind", "swap", "--json").error
    assert "No dataset is frozen" in error["problem"]


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
