"""`assay certify` on a trained judge: certified, infeasible, not certifiable, and what is left behind."""

import pytest
from shop import labelled_rows, tree, write_rows


def production(count, **changes):
    rows = labelled_rows(count, seed=7)
    return [{**row, "id": f"prod-{place}", "source": "production", **changes} for place, row in enumerate(rows)]


def bring(shop, rows):
    write_rows(shop.root / "fresh.jsonl", rows)
    return shop.ok("data", "import", "fresh.jsonl", "--criterion", "advice")


def test_a_certified_judge_is_a_child_with_a_band(shop, steps):
    bring(shop, production(300))
    before = tree(shop.root / ".assay" / "judges" / steps["train"]["id"])
    made = shop.ok("certify", "advice@candidate", "--risk", "0.3", "--confidence", "0.8", "--drawn", "uniform")
    assert made["certified"] is True
    assert made["rows"] == 300
    certificate = made["certificate"]
    assert certificate["method"] == "exact binomial, fixed sequence"
    for side in ("negative", "positive"):
        assert certificate[side]["bound"] <= 0.3
        assert certificate[side]["threshold"] == made["sides"][side]["threshold"]
    recipe = shop.ok("show", made["child"])["recipe"]
    assert recipe["parent"] == made["judge"] == steps["train"]["id"]
    assert recipe["certificate"] == certificate
    assert recipe["decision"]["abstain_low"] == certificate["negative"]["threshold"]
    assert recipe["decision"]["abstain_high"] == certificate["positive"]["threshold"]
    folder = shop.root / ".assay" / "judges" / made["child"]
    assert not (folder / "report.json").exists()
    assert tree(shop.root / ".assay" / "judges" / steps["train"]["id"]) == before
    assert shop.ok("verify", str(folder))["whole"] is True
    again = shop.ok("certify", "advice@candidate", "--risk", "0.3", "--confidence", "0.8", "--drawn", "uniform")
    assert again["child"] == made["child"]


def test_one_side_alone_escalates_the_other_whole(shop):
    bring(shop, production(300))
    words = ["--risk", "0.3", "--confidence", "0.8", "--drawn", "uniform", "--sides", "negative"]
    made = shop.ok("certify", "advice@candidate", *words)
    decision = shop.ok("show", made["child"])["recipe"]["decision"]
    assert made["certificate"]["positive"] is None
    assert decision["abstain_high"] > 1
    assert list(made["sides"]) == ["negative"]


def test_too_few_rows_are_infeasible_and_store_nothing(shop):
    bring(shop, production(20))
    before = len(shop.ok("list")["versions"])
    made = shop.ok("certify", "advice@candidate", "--risk", "0.01", "--drawn", "uniform")
    assert (made["certified"], made["child"], made["certificate"]) == (False, None, None)
    assert made["more_labels"] is None or made["more_labels"] > 300
    assert len(shop.ok("list")["versions"]) == before
    said = shop.run("certify", "advice@candidate", "--risk", "0.01", "--drawn", "uniform")
    assert said.status == 0
    assert "Infeasible at a risk of 0.01" in said.out


@pytest.mark.parametrize(
    ("changes", "words", "got"),
    [
        ({}, [], "nothing that tells how they were drawn"),
        ({"source": "synthetic"}, ["--drawn", "uniform"], "not from production"),
        ({"weight": 2.0}, ["--drawn", "uniform"], None),
        ({}, ["--drawn", "uniform", "--accept-labels", "crowd"], "no label of crowd"),
    ],
)
def test_rows_that_cannot_stand_for_production(shop, changes, words, got):
    rows = production(10, **changes)
    rows[0].pop("weight", None)
    bring(shop, rows)
    error = shop.run("certify", "advice@candidate", *words, "--json").error
    assert error["problem"] == "Not certifiable from this sample."
    assert (got or "weights from 1 to 2") in error["got"]
    assert "assay data next --source production" in error["next_step"]


def test_the_judges_own_rows_do_not_certify_it(shop):
    error = shop.run("certify", "advice@candidate", "--drawn", "uniform", "--json").error
    assert error["problem"] == "Not certifiable from this sample."
    assert "in the judge's dataset" in error["got"]


@pytest.mark.parametrize(
    "words",
    [
        ["--risk", "0"],
        ["--confidence", "1"],
        ["--sides", "none"],
        ["--drawn", "randomly"],
        ["--queue", "no-such"],
        ["--queue", "q", "--drawn", "uniform"],
    ],
)
def test_bad_input_is_refused(shop, words):
    assert shop.run("certify", "advice@candidate", *words, "--json").error["problem"]


def test_weighted_rows_are_certified_by_a_bound_for_weights(shop):
    rows = production(300)
    for place, row in enumerate(rows):
        row["weight"] = 1.0 + place // 2 % 2  # not by label, which alternates
    bring(shop, rows)
    words = ["--risk", "0.4", "--confidence", "0.8", "--drawn", "weighted", "--sides", "positive"]
    made = shop.ok("certify", "advice@candidate", *words)
    assert made["certified"] is True, made["sides"]
    assert made["certificate"]["method"] == "betting, fixed sequence"
