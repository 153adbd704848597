"""`assay data import | check` of other tools' files, and `assay data export`."""

import json
import shutil
from pathlib import Path

import pytest
from shop import labelled_rows, write_rows

from assay.api import Workspace

FILES = Path(__file__).resolve().parents[1] / "data" / "exchange"


def stored(shop):
    with Workspace.open(shop.root) as here:
        path = shop.root / "all.jsonl"
        here.export_data(here.criterion("advice"), "jsonl", path)
        return sorted(path.read_text().splitlines())


def test_a_tools_file_is_told_and_what_has_no_place_is_named(empty_shop):
    path = str(FILES / "label_studio" / "project.json")
    words = ("data", "import", path, "--criterion", "advice", "--label-source", "expert")
    found = empty_shop.ok(*words)
    assert (found["new_examples"], found["new_labels"], found["malformed"]) == (6, 10, 0)
    account = found["account"]
    assert (account["format"], account["question"]) == ("label-studio", "advice")
    assert account["left_out"]["skipped (cancelled) annotations"] == 1
    ended = empty_shop.run(*words)
    assert ended.status == 0
    assert "Read as label-studio; labels from 'advice' (--question names another)" in ended.out
    assert "Columns understood: prompt → input, response → output" in ended.out
    assert "Left out: 1 answers to 'tone'" in ended.out
    assert "Nothing new" in ended.out


def test_check_counts_what_an_import_would_bring(empty_shop):
    path = str(FILES / "promptfoo" / "results.json")
    words = ("--criterion", "advice", "--question", "no_advice", "--map-label", "pass=no_advice")
    refused = empty_shop.ok("data", "check", path, *words)
    assert (refused["acceptable"], refused["unknown_labels"]) == (False, {"fail": 6})
    found = empty_shop.ok("data", "check", path, *words, "--map-label", "fail=advice")
    assert found["labels"] == {"teacher": {"no_advice": 6, "advice": 6}}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("label_studio/project.json",), "labels given by people"),
        (("promptfoo/results.json",), "which of them is criterion 'advice'"),
        (("promptfoo/results.json", "--question", "modes"), "answers no question 'modes'"),
        (("promptfoo/results.json", "--format", "deepeval"), "holds no DeepEval test run"),
        (("promptfoo", "--format", "promptfoo"), "read from one file"),
        (("gone.eval", "--format", "inspect"), "There is no file"),
        (("hf/replies.jsonl", "--question", "label"), "Only files of other tools"),
        (("hf/replies.jsonl", "--format", "arrow"), "An unknown format"),
    ],
)
def test_what_is_not_clear_is_refused_and_nothing_imported(empty_shop, words, problem):
    path, *more = words
    ended = empty_shop.run("data", "import", str(FILES / path), "--criterion", "advice", *more, "--json")
    assert problem in ended.error["problem"]
    assert empty_shop.run("data", "export", "advice", "-o", "out.jsonl", "--json").error["code"] == "bad-input"


@pytest.mark.parametrize("name", ["jsonl", "label-studio", "argilla", "hf-dataset"])
def test_an_export_imported_elsewhere_gives_the_same_rows(empty_shop, new_shop, name):
    rows = labelled_rows(40)
    rows[3]["labels"][0] |= {"date": "2026-11-24", "explanation": "It says “sell”."}
    rows[4] |= {"group": "g", "weight": 2.0, "meta": {"a": [1, {"b": None}]}}
    rows[5]["labels"].append({"value": "advice", "labeller": "gpt-judge", "source": "teacher"})
    write_rows(empty_shop.root / "rows.jsonl", rows)
    empty_shop.ok("data", "import", "rows.jsonl", "--criterion", "advice")
    out = "out.jsonl" if name == "jsonl" else "out"
    written = empty_shop.ok("data", "export", "advice", "--format", name, "-o", out)
    assert (written["rows"], written["out"], written["left_out"]) == (40, out, {})
    other = new_shop()
    found = other.ok("data", "import", str(empty_shop.root / out), "--criterion", "advice")
    assert (found["new_examples"], found["new_labels"], found["malformed"]) == (40, 81, 0)
    assert stored(other) == stored(empty_shop)
    assert other.ok("data", "import", str(empty_shop.root / out), "--criterion", "advice")["import_id"] is None


def test_a_queues_examples_go_out_without_labels(empty_shop):
    rows = labelled_rows(60)
    for row in rows[20:]:
        del row["labels"]
    write_rows(empty_shop.root / "rows.jsonl", rows)
    empty_shop.ok("data", "import", "rows.jsonl", "--criterion", "advice")
    empty_shop.ok("data", "next", "--criterion", "advice", "--budget", "10")
    words = ("data", "export", "advice", "--format", "label-studio", "--queue")
    assert empty_shop.ok(*words, "advice-1", "-o", "out")["rows"] == 10
    tasks = json.loads((empty_shop.root / "out" / "tasks.json").read_text())
    assert all(task["annotations"] == [] for task in tasks)
    assert {task["data"]["id"] for task in tasks} <= {row["id"] for row in rows[20:]}
    assert empty_shop.run(*words, "gone", "-o", "other", "--json").error["code"] == "not-found"
    assert not (empty_shop.root / "other").exists()


def test_a_folder_that_is_there_is_not_touched(empty_shop):
    empty_shop.ok("data", "import", "rows.jsonl", "--criterion", "advice")
    shutil.copytree(FILES / "argilla", empty_shop.root / "mine")
    words = ("data", "export", "advice", "--format", "argilla", "-o", "mine", "--json")
    assert empty_shop.run(*words).error["code"] == "conflict"
    assert (empty_shop.root / "mine" / "records.json").read_bytes() == (FILES / "argilla/records.json").read_bytes()


def test_labels_that_carry_over_go_out_in_the_words_of_the_new_version(empty_shop):
    write_rows(empty_shop.root / "rows.jsonl", labelled_rows(10))
    empty_shop.ok("data", "import", "rows.jsonl", "--criterion", "advice")
    path = empty_shop.root / "criteria" / "advice.toml"
    toml = path.read_text().replace('version = "1"', 'version = "2"')
    path.write_text(f'{toml}\n[carries_over.1]\nadvice = "advice"\n')
    written = empty_shop.ok("data", "export", "advice", "-o", "out.jsonl")
    labels = [json.loads(line)["labels"] for line in (empty_shop.root / "out.jsonl").read_text().splitlines()]
    assert written["rows"] == len(labels) == 5
    assert {label["value"] for given in labels for label in given} == {"advice"}
