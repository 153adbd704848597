"""A command killed by SIGKILL at a bad moment, then run again: it ends as if nothing had happened."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from shop import Shop, labelled_rows, tree, write_rows

FREEZE = ("data", "freeze", "advice", "--min-test-per-class", "30")


def kill(shop: Shop, event: str, text: str, number: int, *words: str) -> None:
    """Run a command that must die at the given moment."""
    script = Path(__file__).with_name("killed_at.py")
    line = [sys.executable, str(script), event, text, str(number), *words]
    done = subprocess.run(line, cwd=shop.root, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_an_import(empty_shop):
    rows = [*labelled_rows(360), "{half"]
    write_rows(empty_shop.root / "rows.jsonl", rows)
    words = ("data", "import", "rows.jsonl", "--criterion", "advice")
    kill(empty_shop, "os.rename", "malformed", 1, *words)  # every row is written, the transaction is still open
    assert empty_shop.run("data", "freeze", "advice", "--json").error["code"] == "not-found"
    done = empty_shop.ok(*words)
    assert (done["new_examples"], done["new_labels"], done["malformed"]) == (360, 720, 1)
    assert len(list((empty_shop.root / ".assay" / "set-aside").glob("*.jsonl"))) == 1


def test_a_freeze(shop, steps):
    blob = shop.root / ".assay" / "blobs"
    other = (*FREEZE, "--seed", "7")
    kill(shop, "os.rename", ".arriving", 1, *other)  # the rows are written under no name yet
    assert [one["id"] for one in shop.ok("data", "list")["datasets"]] == [steps["freeze"]["id"]]
    frozen = shop.ok(*other)
    assert frozen["seed"] == 7
    assert len([path for path in blob.rglob("*") if len(path.name) == 64]) == 2
    assert shop.ok(*other)["id"] == frozen["id"]


def test_a_training(shop, steps):
    words = (*shop.train_words, "--seed", "5")
    kill(shop, "open", "trainer_state.json", 2, *words)  # in the second checkpoint
    assert [one["id"] for one in shop.ok("list")["versions"]] == [steps["train"]["id"]]
    resumed = shop.ok(*words)
    assert resumed["resumed_from_epoch"] == 1
    assert not list((shop.root / ".assay" / "runs").glob("*/"))
    assert shop.ok(*words)["id"] == resumed["id"]  # trained without a kill: the same judge, digit for digit


@pytest.mark.parametrize(
    ("event", "text", "number"),
    [
        ("open", "judge/tokenizer/tokenizer_config.json", 3),  # saved, digested, and now loaded to be calibrated
        ("os.rename", "/runs/", 1),  # calibrated, and on its way into the registry
    ],
)
def test_a_training_after_its_last_epoch(shop, steps, event, text, number):
    words = (*shop.train_words, "--epochs", "1", "--seed", "6")
    kill(shop, event, text, number, *words)
    assert [one["id"] for one in shop.ok("list")["versions"]] == [steps["train"]["id"]]
    done = shop.ok(*words)
    assert done["resumed_from_epoch"] == 1
    assert shop.ok("show", "advice@candidate")["id"] == done["id"] != steps["train"]["id"]
    assert not list((shop.root / ".assay" / "runs").glob("*/"))


def test_a_training_whose_judge_is_stored_and_whose_alias_is_not_set(shop, steps):
    words = (*shop.train_words, "--epochs", "1", "--seed", "6")
    kill(shop, "sql", "INSERT INTO promotions", 1, *words)
    assert len(shop.ok("list")["versions"]) == 2
    assert shop.ok("show", "advice@candidate")["id"] == steps["train"]["id"]
    done = shop.ok(*words)
    assert len(shop.ok("list")["versions"]) == 2
    assert shop.ok("show", "advice@candidate")["id"] == done["id"] != steps["train"]["id"]


@pytest.mark.parametrize("text", ["INSERT INTO promotions", "DELETE FROM aliases", "INSERT INTO aliases"])
def test_a_promotion(shop, steps, text):
    """A promotion is one transaction: what it logged and took away before it died is as it was."""
    before = shop.ok("history", "advice")["history"]
    words = ("promote", steps["train"]["id"], "--waiver", "a trial")
    kill(shop, "sql", text, 1, *words)
    assert shop.ok("history", "advice")["history"] == before
    assert shop.run("show", "advice", "--json").error["code"] == "not-found"
    shop.ok(*words)
    assert shop.ok("show", "advice")["id"] == steps["train"]["id"]
    assert [row["move"] for row in shop.ok("history", "advice")["history"][len(before) :]] == ["promote"]


def test_an_evaluation(shop, steps):
    folder = shop.root / ".assay" / "judges" / steps["train"]["id"]
    for name in ("report.json", "gates.json", "card.html"):
        (folder / name).unlink()
    kill(shop, "os.rename", "gates.json", 1, "evaluate", "advice@candidate")  # the report is there, no card yet
    assert shop.ok("verify", str(folder))["whole"]
    assert {path.name for path in folder.iterdir()} & {"report.json", "gates.json", "card.html"} == {"report.json"}
    done = shop.ok("evaluate", "advice@candidate")
    assert done["measures"] == steps["evaluate"]["measures"]
    assert json.loads((folder / "gates.json").read_text())["judge"] == steps["train"]["id"]
    assert {"report.json", "gates.json", "card.html"} <= tree(folder).keys()
