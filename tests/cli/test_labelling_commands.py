"""`assay label …` and `assay data next`, from an imported file to weights in a frozen dataset."""

import json

import pytest
from shop import labelled_rows, write_rows

from assay.api import Workspace
from assay.labelling.desk import hand_of, take
from assay.store.blobs import Blobs
from assay.store.labelling.answers import Answer


@pytest.fixture
def pool(empty_shop):
    """A workspace with 200 labelled rows and 400 without labels."""
    rows = labelled_rows(600, seed=1)
    for row in rows[200:]:
        del row["labels"]
    write_rows(empty_shop.root / "rows.jsonl", rows)
    empty_shop.ok("data", "import", "rows.jsonl", "--criterion", "advice")
    return empty_shop


def label_everything(shop, queue, who="mia"):
    """Answer a whole queue by what the text says."""
    with Workspace.open(shop.root) as here:
        database = here.labelling.database
        (labeller,) = [one for one in here.labelling.labellers() if one.name == who]
        hand = hand_of(database, labeller, queue)
        while hand.items:
            item = hand.items[0]
            words = set(str(item.example.output).split())
            value = "advice" if words & {"buy", "sell"} else "no_advice"
            key = f"key-{who}-{item.position}"
            hand = take(
                database, labeller, Answer(key=key, queue=queue, position=item.position, kind="label", value=value)
            )


def test_a_budget_in_a_queue_out_and_the_gain_stated(pool):
    found = pool.ok("data", "next", "--criterion", "advice", "--budget", "40", "--seed", "3")
    record = found["queue"]["record"]
    assert (record["name"], record["size"], record["pool_size"], record["by"]) == ("advice-1", 40, 400, "uniform")
    assert record["expected_gain"] == found["expected_gain"]["sentence"]
    assert "of a word-counting model" in found["expected_gain"]["sentence"]
    assert found["expected_gain"]["labelled"] == 200
    assert pool.ok("label", "queue", "list")["queues"][0]["record"]["name"] == "advice-1"


def test_labels_weights_and_the_pools_share_after_uncertainty(pool):
    verdicts = [
        {"id": f"row-{n}", "label": "advice", "probabilities": {"advice": p, "no_advice": 1 - p}}
        for n in range(200, 600)
        for p in [0.5 if n % 2 == 0 else 0.97]  # the advice rows have even numbers: the naive share will be too high
    ]
    write_rows(pool.root / "verdicts.jsonl", verdicts)
    words = ("--by", "uncertainty", "--verdicts", "verdicts.jsonl", "--overlap", "0")
    pool.ok("data", "next", "--criterion", "advice", "--budget", "100", *words)
    secret = pool.ok("label", "labellers", "add", "mia")["secret"]
    assert len(secret) >= 16
    label_everything(pool, "advice-1")
    shown = pool.ok("label", "queue", "show", "advice-1")
    assert shown["queue"]["finished"] == 100
    share = shown["pool_shares"]["advice"]
    assert share["low"] < 0.5 < share["high"]
    frozen = pool.ok("data", "freeze", "advice", "--min-test-per-class", "10")
    with Workspace.open(pool.root) as here:
        text = Blobs(here.settings.blobs).read(frozen["rows_blob"]).decode()
    weight = {row["example"]["id"]: row["example"]["weight"] for row in map(json.loads, text.splitlines())}
    drawn = {name: value for name, value in weight.items() if int(name.removeprefix("row-")) >= 200}
    assert {value for name, value in weight.items() if name not in drawn} == {1.0}
    assert len(set(drawn.values())) == 2
    assert max(drawn.values()) <= 4.0 + 1e-9  # 1 / the uniform share
    naive = sum(int(name.removeprefix("row-")) % 2 == 0 for name in drawn) / len(drawn)
    corrected = sum(value for name, value in drawn.items() if int(name.removeprefix("row-")) % 2 == 0) / sum(
        drawn.values()
    )
    assert abs(corrected - 0.5) < abs(naive - 0.5)


def test_an_export_can_be_imported_elsewhere(pool, new_shop):
    pool.ok("data", "next", "--criterion", "advice", "--budget", "5", "--overlap", "0")
    pool.ok("label", "labellers", "add", "mia")
    label_everything(pool, "advice-1")
    written = pool.ok("label", "export", "advice-1", "-o", "out.jsonl")
    assert written["rows"] == 5
    other = new_shop()
    found = other.ok("data", "import", str(pool.root / "out.jsonl"), "--criterion", "advice")
    assert (found["new_examples"], found["new_labels"], found["malformed"]) == (5, 5, 0)


def test_a_closed_queue_gives_its_rest_back(pool):
    draw = ("data", "next", "--criterion", "advice", "--budget", "400")
    pool.ok(*draw, "--name", "all")
    assert "nothing to draw from" in pool.run(*draw, "--json").error["problem"]
    assert pool.ok("label", "queue", "close", "all")["closed_at"]
    assert pool.ok(*draw)["queue"]["record"]["pool_size"] == 400


def test_a_list_of_suspects(pool):
    write_rows(pool.root / "suspects.jsonl", [{"id": "row-0", "hint": "odd", "score": 0.9}, {"id": "row-7"}])
    words = ("--ids", "suspects.jsonl", "--pool", "labelled", "--not-blind")
    record = pool.ok("label", "queue", "make", "advice", *words)["record"]
    assert (record["size"], record["by"], record["pool"], record["blind"]) == (2, "list", "labelled", False)


def test_labellers_come_and_go(empty_shop):
    empty_shop.ok("label", "labellers", "add", "mia", "--source", "crowd", "--adjudicates")
    (mia,) = empty_shop.ok("label", "labellers", "list")["labellers"]
    assert (mia["source"], mia["adjudicates"], mia["removed_at"]) == ("crowd", True, None)
    assert "secret" not in json.dumps(mia)
    empty_shop.ok("label", "labellers", "remove", "mia")
    assert empty_shop.run("label", "labellers", "remove", "mia", "--json").error["code"] == "not-found"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("data", "next", "--criterion", "advice", "--budget", "0"), "A queue holds examples"),
        (("data", "next", "--criterion", "advice", "--budget", "5", "--by", "magic"), "--by is unknown"),
        (("data", "next", "--criterion", "advice", "--budget", "5", "--by", "uncertainty"), "needs a judge's verdicts"),
        (("data", "next", "--criterion", "advice", "--budget", "5", "--by", "coverage"), "needs slices"),
        (("data", "next", "--criterion", "advice", "--budget", "5", "--uniform-share", "0"), "drawn uniformly"),
        (("label", "queue", "make", "advice", "--ids", "absent.jsonl"), "absent.jsonl"),
        (
            (
                "data",
                "next",
                "--criterion",
                "advice",
                "--budget",
                "5",
                "--by",
                "uncertainty",
                "--judge",
                "advice",
                "--verdicts",
                "rows.jsonl",
            ),
            "come from one place",
        ),
        (("label", "queue", "show", "nothing"), "There is no queue 'nothing'"),
        (("label", "export", "nothing"), "There is no queue 'nothing'"),
        (("label", "serve", "--port", "99999"), "cannot be served"),
        (("label", "labellers", "add", "a b"), "name stands with every label"),
    ],
)
def test_bad_input_is_a_sentence_and_leaves_nothing(pool, words, problem):
    assert problem in pool.run(*words, "--json").error["problem"]
    assert pool.ok("label", "queue", "list")["queues"] == []
    assert not list(pool.root.glob("*nothing*"))


def test_a_judge_scores_the_pool_itself(shop):
    rows = labelled_rows(30, seed=9)
    for number, row in enumerate(rows):
        del row["labels"]
        row["id"] = f"fresh-{number}"
    write_rows(shop.root / "fresh.jsonl", rows)
    shop.ok("data", "import", "fresh.jsonl", "--criterion", "advice")
    words = ("--by", "uncertainty", "--judge", "advice@candidate")
    record = shop.ok("data", "next", "--criterion", "advice", "--budget", "10", *words)["queue"]["record"]
    assert (record["size"], record["pool_size"]) == (10, 30)
    assert record["scored_by"].startswith("advice-")
