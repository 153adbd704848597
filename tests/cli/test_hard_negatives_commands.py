"""Mining, labelling, training anew and comparing, by the commands."""

import json
import random

import pytest
from shop import SIGNS, WORDS, labelled_rows, write_rows

from assay.api import Workspace
from assay.datasets.frozen_rows import load_rows
from assay.labelling.desk import hand_of, take
from assay.schema.ids import new_id
from assay.store.labelling import queues
from assay.store.labelling.answers import Answer


def traffic(count, seed=7):
    numbers = random.Random(seed)
    return [
        {"id": f"t-{place}", "input": "what now", "output": " ".join(numbers.choices(WORDS, k=12))}
        for place in range(count)
    ]


def pairs(count, seed=11):
    """Contrast rows: the same words twice, with the sign of either label."""
    numbers = random.Random(seed)
    rows = []
    for place in range(count):
        words = numbers.choices(WORDS, k=10)
        for label, signs in SIGNS.items():
            text = " ".join([*words, numbers.choice(signs)])
            rows.append({"id": f"c-{place}-{label}", "input": "what now", "output": text, "label": label})
    return rows


@pytest.fixture
def stocked(shop):
    """A workspace with a judge, a contrast set, and traffic of which three rows stand in that set."""
    contrast = pairs(20)
    write_rows(shop.root / "pairs.jsonl", contrast)
    shop.ok("data", "contrast", "advice", "pairs.jsonl")
    rows = traffic(80)
    rows += [{**contrast[place], "id": f"copy-{place}"} for place in range(3)]
    for row in rows:
        row.pop("label", None)
    rows[-1]["output"] += "."
    write_rows(shop.root / "traffic.jsonl", rows)
    shop.ok("data", "import", "traffic.jsonl", "--criterion", "advice")
    return shop


def items_of(shop, queue):
    with Workspace.open(shop.root) as here, here.labelling.database.read() as connection:
        return list(queues.iter_items(connection, queue))


def test_a_mined_queue_has_its_weights_and_nothing_of_the_contrast_set(stocked):
    judge = stocked.ok("list")["versions"][0]["id"]
    write_rows(stocked.root / "teacher.jsonl", [{"id": f"t-{n}", "label": "no_advice"} for n in range(40)])
    words = ("--judge", "advice@candidate", "--against", "teacher.jsonl", "--uniform-share", "0.25")
    found = stocked.ok("data", "hard-negatives", "advice", "--budget", "20", *words)
    assert found["in_contrast"] == {"pairs": 3}
    assert sum(found["mined"].values()) == 15
    assert found["positives"] == 180
    record = found["queue"]["record"]
    assert (record["by"], record["size"], record["pool_size"]) == ("hard-negatives", 20, 80)
    assert record["scored_by"] == f"hard negatives of {judge}"
    items = items_of(stocked, record["name"])
    assert not [item for item in items if item.example_id.startswith("copy-")]
    mined = [item for item in items if item.score == 1.0]
    assert len(mined) == 15
    assert all(item.inclusion == 1.0 for item in mined)
    assert [item.inclusion for item in items if item.score == 0.0] == pytest.approx([5 / 65] * 5)
    assert all("near row-" in item.hint for item in mined)


def test_what_is_labelled_in_a_mined_queue_still_tells_the_share_in_the_pool(stocked):
    found = stocked.ok("data", "hard-negatives", "advice", "--budget", "40", "--name", "mined")
    assert found["mined"] == {"neighbour": 30}
    with Workspace.open(stocked.root) as here:
        mia, _ = here.labelling.add_labeller("mia")
        for item in items_of(stocked, "mined"):
            hand_of(here.labelling.database, mia, "mined")
            value = "advice" if item.inclusion == 1.0 else "no_advice"
            key = new_id("key").replace("_", "-")
            answer = Answer(key=key, queue="mined", position=item.position, kind="label", value=value)
            take(here.labelling.database, mia, answer)
        shares = here.labelling.standing("mined").pool_shares
    assert shares["advice"].value == pytest.approx(30 / 80)  # though 30 of the 40 answers say so


def test_training_on_it_and_comparing_before_with_after(stocked):
    before = stocked.ok("list")["versions"][0]["id"]
    rows = [{**row, "id": f"more-{row['id']}"} for row in labelled_rows(60, seed=3)]
    copies = [{**row, "id": f"leak-{place}"} for place, row in enumerate(pairs(20)[:4])]
    for row in copies:
        row["labels"] = [{"value": row.pop("label"), "labeller": "mia", "source": "expert"}]
    write_rows(stocked.root / "more.jsonl", rows + copies)
    stocked.ok("data", "import", "more.jsonl", "--criterion", "advice")
    frozen = stocked.ok("data", "freeze", "advice", "--min-test-per-class", "30")
    assert frozen["dropped"]["in a contrast set"] == 4
    after = stocked.ok(*stocked.train_words)["id"]
    found = stocked.ok("compare", before, after, "--contrast", "pairs", "--recall", "0.8")
    assert (found["before"], found["after"], found["contrast"]) == (before, after, "pairs")
    assert (found["positives"], found["negatives"], found["left_out"]) == (20, 20, 0)
    assert found["at"]["recall"] == 0.8
    assert 0 <= found["at"]["after"]["value"] <= 1
    same = stocked.run("compare", before, before, "--contrast", "pairs", "--recall", "0.8")
    assert same.status == 0
    assert "Fewer false alarms are not shown" in same.out
    assert "difference" in same.out
    assert "+0.000 (+0.000 to +0.000)" in same.out


def test_a_judge_that_was_trained_on_rows_of_the_set_is_not_compared_on_it(shop):
    judge = shop.ok("list")["versions"][0]["id"]
    with Workspace.open(shop.root) as here:
        version = here.resolve(judge).version
        rows_blob = here.dataset(version.dataset).rows_blob
        frozen = load_rows(here._blobs, here.dataset(version.dataset))
    taken = [row for row in frozen if row.split == "test"][:6]
    rows = [{"id": f"c-{n}", "output": row.example.output, "label": row.target.value} for n, row in enumerate(taken)]
    write_rows(shop.root / "held-out.jsonl", rows)
    shop.ok("data", "contrast", "advice", "held-out.jsonl")
    assert shop.ok("compare", judge, judge, "--contrast", "held-out", "--recall", "0.8")["unchecked"] == []
    seen = [next(row for row in frozen if row.split == split) for split in ("train", "dev", "calibration")]
    for place, row in enumerate(seen):
        near = f"{row.example.output}." if place else row.example.output
        rows.append({"id": f"s-{place}", "output": near, "label": row.target.value})
    write_rows(shop.root / "seen.jsonl", rows)
    shop.ok("data", "contrast", "advice", "seen.jsonl")
    refused = shop.run("compare", judge, judge, "--contrast", "seen", "--recall", "0.8", "--json").error
    assert refused["code"] == "refused"
    assert f"{judge} was trained on rows of the contrast set 'seen'" in refused["problem"]
    assert refused["got"].startswith("3 such rows")
    assert "freeze again, train again" in refused["next_step"]
    next(
        path for path in shop.root.rglob(f"*{rows_blob[4:]}") if path.is_file()
    ).unlink()  # as of a judge made elsewhere
    words = ("compare", judge, judge, "--contrast", "seen", "--recall", "0.8")
    assert shop.ok(*words)["unchecked"] == [judge]
    assert f"{judge} was trained elsewhere" in shop.run(*words).out


def test_a_set_is_listed_and_does_not_change(stocked):
    (one,) = stocked.ok("data", "contrast", "advice")["contrast_sets"]
    assert (one["name"], one["rows"], one["by_label"]) == ("pairs", 40, {"advice": 20, "no_advice": 20})
    assert stocked.ok("data", "contrast", "advice", "pairs.jsonl")["contrast_sets"] == [one]
    write_rows(stocked.root / "pairs.jsonl", pairs(2))
    refused = stocked.run("data", "contrast", "advice", "pairs.jsonl", "--json").error
    assert (refused["code"], "does not change" in refused["problem"]) == ("conflict", True)
    texts = stocked.ok("data", "contrast", "advice", "pairs.jsonl", "--name", "texts", "--texts-only")
    assert texts["contrast_sets"][1]["by_label"] == {}
    refused = stocked.run("compare", "advice", "advice", "--contrast", "texts", "--json").error
    assert "has no labels" in refused["problem"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("data", "hard-negatives", "advice", "--budget", "0"), "bad-input"),
        (("data", "hard-negatives", "advice", "--budget", "5", "--uniform-share", "0"), "bad-input"),
        (("data", "hard-negatives", "advice", "--budget", "5", "--source", "produktion"), "bad-input"),
        (("data", "hard-negatives", "advice", "--budget", "5", "--neighbours", "0"), "bad-input"),
        (("data", "hard-negatives", "advice", "--budget", "5", "--balance", "2"), "bad-input"),
        (("data", "hard-negatives", "advice", "--budget", "5", "--against", "none.jsonl"), "not-found"),
        (("data", "hard-negatives", "advice", "--budget", "5", "--judge", "nobody"), "not-found"),
        (("data", "hard-negatives", "nothing", "--budget", "5"), "not-found"),
        (("data", "contrast", "advice", "none.jsonl"), "not-found"),
        (("data", "contrast", "advice", "traffic.jsonl"), "bad-input"),
        (("compare", "advice@candidate", "advice@candidate", "--contrast", "pears"), "not-found"),
        (("compare", "advice@candidate", "advice@candidate", "--contrast", "pairs", "--recall", "2"), "bad-input"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_queued(stocked, words, code):
    assert stocked.run(*words, "--json").error["code"] == code
    assert stocked.ok("label", "queue", "list")["queues"] == []
    assert len(stocked.ok("data", "contrast", "advice")["contrast_sets"]) == 1


def test_what_a_crowd_labelled_is_not_in_the_pool_and_what_a_teacher_said_is_an_opinion(shop):
    crowd, taught, bare = traffic(30)[:10], traffic(30)[10:20], traffic(30)[20:]
    for rows, source in ((crowd, "crowd"), (taught, "teacher")):
        for row in rows:
            row["labels"] = [{"value": "advice", "labeller": source, "source": source}]
    write_rows(shop.root / "traffic.jsonl", crowd + taught + bare)
    shop.ok("data", "import", "traffic.jsonl", "--criterion", "advice")
    write_rows(shop.root / "judge.jsonl", [{"id": f"t-{n}", "label": "no_advice"} for n in range(30)])
    found = shop.ok("data", "hard-negatives", "advice", "--budget", "20", "--verdicts", "judge.jsonl")
    assert found["queue"]["record"]["pool_size"] == 20
    assert found["candidates"] == {"disagreement": 10, "flagged": 0, "neighbour": 10}
    assert found["positives"] == 190
    ids = {item.example_id for item in items_of(shop, found["queue"]["record"]["name"])}
    assert not ids & {row["id"] for row in crowd}


def test_next_does_not_mine(stocked):
    refused = stocked.run(
        *("data", "next", "--criterion", "advice", "--budget", "5", "--by", "hard-negatives", "--json")
    ).error
    assert refused["next_step"] == "assay data hard-negatives CRITERION --budget N"


def test_nothing_is_mined_where_all_traffic_stands_in_a_contrast_set(shop):
    rows = [{**row, "label": "advice"} for row in traffic(10)]
    write_rows(shop.root / "pairs.jsonl", rows)
    shop.ok("data", "contrast", "advice", "pairs.jsonl")
    write_rows(shop.root / "traffic.jsonl", traffic(10))
    shop.ok("data", "import", "traffic.jsonl", "--criterion", "advice")
    refused = shop.run("data", "hard-negatives", "advice", "--budget", "5", "--json").error
    assert refused["code"] == "refused"
    assert "stands in a contrast set (pairs)" in refused["problem"]


def test_nothing_is_mined_without_a_positive_label(empty_shop):
    write_rows(empty_shop.root / "traffic.jsonl", traffic(10))
    empty_shop.ok("data", "import", "traffic.jsonl", "--criterion", "advice")
    refused = empty_shop.run("data", "hard-negatives", "advice", "--budget", "5", "--json").error
    assert "nothing to search around" in refused["problem"]
    assert json.dumps(refused).count("data import") == 1
