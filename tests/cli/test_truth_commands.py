"""The commands of the data side, from the rows they read to the files they write."""

import json

import pytest
from shop import CRITERION, labelled_rows, write_rows


def second_version(shop, **changes):
    text = CRITERION.replace('version = "1"', 'version = "2"').replace("base_rate = 0.2\n", "")
    text += 'guidance = "names a security and an action"\n[carries_over.1]\nno_advice = "no_advice"\n'
    (shop.root / "criteria" / "advice.toml").write_text(text)


def test_an_audit_writes_a_page_and_the_rows_to_label_again(shop):
    found = shop.ok("data", "audit", "advice", "-o", "a.html", "--suspects", "s.jsonl")
    assert found["rows"] == 360
    assert [one["harm"] for one in found["findings"]] == sorted(
        (one["harm"] for one in found["findings"]), reverse=True
    )
    assert "Findings, the most harmful first" in (shop.root / "a.html").read_text()
    lines = [json.loads(line) for line in (shop.root / "s.jsonl").read_text().splitlines()]
    assert len(lines) == found["suspects"] == 36
    assert not list(shop.root.glob(".*.part"))
    queue = shop.run("label", "queue", "make", "advice", "--ids", "s.jsonl", "--pool", "labelled", "--json")
    assert queue.status == 0, queue.out


def test_a_frozen_dataset_can_be_audited_and_another_criterions_cannot(shop, steps):
    dataset = steps["freeze"]["id"]
    found = shop.ok("data", "audit", "advice", "--dataset", dataset)
    assert found["dataset"] == dataset
    assert shop.run("data", "audit", "advice", "--dataset", "none-1", "--json").error["code"] == "not-found"
    assert shop.run("data", "audit", "nothing", "--json").error["code"] == "not-found"


def test_agreement_and_consensus_of_two_labellers(shop):
    found = shop.ok("data", "agreement", "advice")
    assert (found["shared"], found["labellers"]) == (360, 2)
    assert found["overall"]["krippendorff_alpha"]["value"] == 1.0
    assert shop.ok("data", "agreement", "advice", "--source", "crowd")["shared"] == 0
    rows = labelled_rows(362)[-1:]
    rows[0]["labels"][1]["value"] = "no_advice" if rows[0]["labels"][0]["value"] == "advice" else "advice"
    write_rows(shop.root / "tie.jsonl", rows)
    shop.ok("data", "import", "tie.jsonl", "--criterion", "advice")
    assert found["with_others"] == 0
    said = shop.run("data", "agreement", "advice").out
    assert "0 examples have three labellers" in " ".join(said.split())
    assert "--labellers-each 3" in said
    consensus = shop.ok("data", "consensus", "advice", "--ties", "ties.jsonl")
    assert consensus["ties"] == ["row-361"]
    assert json.loads((shop.root / "ties.jsonl").read_text())["id"] == "row-361"
    queue = shop.ok("label", "queue", "make", "advice", "--ids", "ties.jsonl", "--pool", "labelled")
    assert (queue["record"]["size"], queue["disputed"], queue["record"]["overlap_share"]) == (1, 1, 0.0)
    text = shop.run("data", "agreement", "advice")
    assert text.status == 0
    assert "krippendorff alpha" in text.out
    assert "row-361" in text.out


def test_a_new_version_says_what_carries_over_and_how_much_flips(shop):
    second_version(shop)
    found = shop.ok("criteria", "diff", "advice", "--from", "1")
    assert {one["what"] for one in found["moved"]} == {"base_rate", "guidance of advice"}
    assert {one["value"]: one["becomes"] for one in found["labels"]} == {"no_advice": "no_advice", "advice": None}
    drawn = shop.ok("criteria", "sample", "advice", "--size", "40", "-o", "again.jsonl")["sampled"]
    assert len(drawn) == 40
    refused = shop.run("criteria", "diff", "advice", "--sample", "again.jsonl", "--json").error
    assert "not labelled anew" in refused["problem"]
    rows = [json.loads(line) for line in (shop.root / "again.jsonl").read_text().splitlines()]
    anew = [{k: v for k, v in row.items() if k != "sampled"} for row in rows]
    for row, one in zip(anew, rows, strict=True):
        row["labels"] = [{"value": one["sampled"]["old"], "labeller": "mia", "source": "expert"}]
    write_rows(shop.root / "anew.jsonl", anew)
    shop.ok("data", "import", "anew.jsonl", "--criterion", "advice")
    flips = shop.ok("criteria", "diff", "advice", "--sample", "again.jsonl")["flips"]
    assert flips["all"]["value"] == 0
    assert 0 < flips["all"]["high"] < 0.15
    assert shop.run("criteria", "diff", "advice", "--from", "9", "--json").error["code"] == "not-found"
    assert shop.run("criteria", "diff", "advice", "--sample", "anew.jsonl", "--json").error["code"] == "bad-input"
    frozen = shop.ok("data", "freeze", "advice", "--min-test-per-class", "1")
    assert sum(frozen["counts"]["train"].values()) > 0


def test_training_below_the_floor_is_refused_unless_waived(shop):
    path = shop.root / "criteria" / "advice.toml"
    path.write_text(path.read_text().replace("base_rate", "agreement_floor = 0.99\nbase_rate"))
    rows = labelled_rows(120, seed=5)
    for place, row in enumerate(rows):
        row["id"] = f"second-{place}"
        if place % 3 == 0:
            row["labels"].append({"value": row["labels"][0]["value"], "labeller": "eve", "source": "expert"})
            row["labels"][1]["value"] = "no_advice" if row["labels"][1]["value"] == "advice" else "advice"
    text = path.read_text().replace('version = "1"', 'version = "3"')
    path.write_text(text)
    write_rows(shop.root / "more.jsonl", rows)
    shop.ok("data", "import", "more.jsonl", "--criterion", "advice")
    shop.ok("data", "freeze", "advice", "--min-test-per-class", "5")
    refused = shop.run(*shop.train_words, "--json").error
    assert refused["code"] == "refused"
    assert "agree too little" in refused["problem"]
    assert "assay data agreement advice" in refused["next_step"]
    shop.ok(*shop.train_words, "--waive-agreement", "only a pilot")
    assert "only a pilot" in json.dumps(shop.ok("history", "advice"))


@pytest.mark.parametrize("words", [(), ("--probes", "repeat,padding-after", "--remove", "buy")])
def test_a_judge_is_probed_on_its_test_rows(shop, words):
    found = shop.ok("probe", "advice@candidate", "--rows", "20", *words)
    repeat = next(one for one in found["probes"] if one["probe"] == "repeat")
    assert repeat["rows"] == 20
    assert repeat["flips"]["value"] == 0
    assert shop.run("probe", "advice@candidate", "--probes", "x", "--json").error["code"] == "bad-input"


def test_a_floor_may_be_declared_after_the_freeze_and_is_waived_with_a_reason_only(shop):
    path = shop.root / "criteria" / "advice.toml"
    path.write_text(path.read_text().replace("base_rate", "agreement_floor = 0.999\nbase_rate"))
    refused = shop.run(*shop.train_words, "--json").error
    assert "agree too little" in refused["problem"]
    assert shop.run(*shop.train_words, "--waive-agreement", " ", "--json").error["code"] == "bad-input"


def test_what_carries_over_may_be_decided_after_the_sample(shop):
    second_version(shop)
    path = shop.root / "criteria" / "advice.toml"
    decided = path.read_text()
    path.write_text(decided.split("[carries_over")[0])
    shop.ok("criteria", "sample", "advice", "--size", "40", "-o", "again.jsonl")
    shop.ok("label", "queue", "make", "advice", "--ids", "again.jsonl")
    path.write_text(decided)
    fates = shop.ok("criteria", "diff", "advice")["labels"]
    assert {one["value"]: one["becomes"] for one in fates} == {"no_advice": "no_advice", "advice": None}
    assert shop.ok("data", "agreement", "advice")["examples"] == 180


def test_agreement_is_told_by_version(shop):
    second_version(shop)
    rows = labelled_rows(60, seed=4)
    for place, row in enumerate(rows):
        row["id"] = f"new-{place}"
        row["labels"][1]["value"] = row["labels"][0]["value"] if place % 3 else "advice"
    write_rows(shop.root / "new.jsonl", rows)
    shop.ok("data", "import", "new.jsonl", "--criterion", "advice")
    found = {one["value"]: one["alpha"] for one in shop.ok("data", "agreement", "advice")["by_version"]}
    assert found["1"]["value"] == 1.0
    assert (found["2"]["n"], found["2"]["value"] < 1.0) == (60, True)


def test_ties_teach_a_judge_with_soft_targets(shop):
    assert (
        "labellers of no training row differ"
        in shop.run(*shop.train_words, "--targets", "soft", "--json").error["problem"]
    )
    rows = labelled_rows(40, seed=3)
    for place, row in enumerate(rows):
        row["id"] = f"torn-{place}"
        row["labels"] = [{"value": v, "labeller": v, "source": "expert"} for v in ("advice", "no_advice")]
    write_rows(shop.root / "torn.jsonl", rows)
    shop.ok("data", "import", "torn.jsonl", "--criterion", "advice")
    freeze = ("data", "freeze", "advice", "--min-test-per-class", "30", "--seed", "2")
    plain = shop.ok(*freeze)
    assert (plain["tied"], plain["dropped"]["tied labels"]) == (0, 40)
    frozen = shop.ok(*freeze, "--ties", "train")
    assert frozen["tied"] == 40
    assert frozen["counts"] == plain["counts"]
    assert "Tied rows kept in train" in shop.run(*freeze, "--ties", "train").out
    trained = shop.ok(*shop.train_words, "--targets", "soft")
    assert (trained["settings"]["targets"], trained["uncertain_rows"]) == ("soft", 40)
    assert shop.ok("evaluate", "advice@candidate")["dataset"] == frozen["id"]
    assert shop.run("data", "freeze", "advice", "--ties", "dev", "--json").error["code"] == "bad-input"
    assert shop.run(*shop.train_words, "--targets", "fuzzy", "--json").error["code"] == "bad-input"
