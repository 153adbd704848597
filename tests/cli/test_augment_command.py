"""`assay data augment`, from the price to rows in a frozen dataset; answers come from a recorded model."""

import json
import os
import pty
import subprocess
import sys

import pytest
from answering import RECORDED, AnsweringEndpoint, recorded_answer
from augmenting_bank import BOTH, FREEZE, MADE_FOR, PRICE, USD, answer_queue, at, outputs_of, rows_of

from assay.llm.recorded_endpoint import Reply, said


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
