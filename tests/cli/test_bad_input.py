"""What a user can get wrong: status 2, a sentence, and nothing half-written."""

import json
import shutil
from pathlib import Path

import pytest
from shop import Shop, labelled_rows, run_in, tree, write_rows

IMPORT = ("data", "import", "rows.jsonl", "--criterion", "advice")


def refused(shop: Shop, *words: str) -> dict[str, str]:
    """The refusal of a command that leaves every file as it was, and no row in the database."""
    before, count = tree(shop.root), len(shop.ok("data", "list")["datasets"])
    error = shop.run(*words, "--json").error
    assert tree(shop.root) == before
    assert len(shop.ok("data", "list")["datasets"]) == count
    assert error["problem"].endswith(".")
    people = shop.run(*words)
    assert people.status == 2
    assert error["problem"] in people.err
    assert "Traceback" not in people.err
    assert people.out == ""
    return error


def nothing_imported(shop: Shop) -> bool:
    return shop.run("data", "freeze", "advice", "--json").error["code"] == "not-found"


def with_rows(shop: Shop, rows: list[object]) -> Shop:
    write_rows(shop.root / "rows.jsonl", rows)
    return shop


def test_labels_outside_the_scale(empty_shop):
    rows = [{"output": f"text {n}", "label": "Advice", "label_source": "expert"} for n in range(20)]
    ended = with_rows(empty_shop, rows).run(*IMPORT, "--json")
    assert ended.error["code"] == "refused"
    assert "--map-label 'Advice=advice' (20 rows)" in ended.error["next_step"]
    assert nothing_imported(empty_shop)
    assert empty_shop.ok(*IMPORT, "--map-label", "Advice=advice")["new_examples"] == 20


def test_one_class_only(empty_shop):
    rows = [row for row in labelled_rows(200) if row["labels"][0]["value"] == "advice"]
    with_rows(empty_shop, rows).ok(*IMPORT)
    error = refused(empty_shop, "data", "freeze", "advice", "--min-test-per-class", "1")
    assert error["problem"] == "All rows have one class; nothing can be learned or measured."


def test_too_few_expert_rows_in_the_test_split_say_which_waiver_would_pass(empty_shop):
    with_rows(empty_shop, labelled_rows(300, source="author")).ok(*IMPORT)
    error = refused(empty_shop, "data", "freeze", "advice")
    assert "30 by author" in error["got"]
    assert "--accept-labels author --min-test-per-class 30" in error["next_step"]
    words = error["next_step"].partition("assay ")[2].split()
    assert empty_shop.ok(*words)["waiver"] == {
        "accept_labels": ["expert", "author"],
        "min_test_per_class": 30,
        "synthetic": "none",
    }


def test_an_unknown_field(empty_shop):
    rows = [{**row, "ouput": "x"} for row in labelled_rows(20)]
    error = with_rows(empty_shop, rows).run(*IMPORT, "--json").error
    assert "did you mean 'output'?" in error["got"]
    assert nothing_imported(empty_shop)
    assert "did you mean 'output'?" in refused(empty_shop, *IMPORT, "--field", "ouput=text")["required"]
    assert empty_shop.ok(*IMPORT, "--keep-extra")["new_examples"] == 20


def test_an_unknown_criterion(empty_shop):
    error = refused(empty_shop, "data", "import", "rows.jsonl", "--criterion", "advise")
    assert error["next_step"] == "did you mean 'advice'?"
    assert refused(empty_shop, "data", "freeze", "../advice")["code"] == "not-found"
    assert refused(empty_shop, "train", "advise")["code"] == "not-found"


def test_a_criterion_file_that_is_not_one(empty_shop):
    (empty_shop.root / "criteria" / "broken.toml").write_text('name = "broken"\nquestoin = "?"\n')
    assert "did you mean 'question'?" in refused(empty_shop, "data", "freeze", "broken")["required"]
    (empty_shop.root / "criteria" / "broken.toml").write_text("not toml")
    assert "not valid TOML" in refused(empty_shop, "data", "freeze", "broken")["problem"]
    shutil.copy(empty_shop.root / "criteria" / "advice.toml", empty_shop.root / "criteria" / "other.toml")
    assert refused(empty_shop, "data", "freeze", "other")["required"] == "name = 'other'"


def test_a_criterion_whose_words_changed_after_the_import(shop):
    path = shop.root / "criteria" / "advice.toml"
    path.write_text(path.read_text().replace("Is it advice?", "Is that advice?"))
    assert "raise `version`" in shop.run(*IMPORT, "--json").error["next_step"]
    assert refused(shop, "train", "advice")["next_step"].startswith("assay data freeze advice, or name one")


@pytest.mark.parametrize(("broken", "accepted"), [(5, True), (6, False)])
def test_malformed_rows_under_and_over_the_share(empty_shop, broken, accepted):
    rows = [*labelled_rows(100 - broken), *["{half"] * broken]
    ended = with_rows(empty_shop, rows).run(*IMPORT, "--json")
    if accepted:
        found = ended.json
        assert (found["rows"], found["malformed"], found["new_examples"]) == (100, 5, 95)
        set_aside = [json.loads(line) for line in Path(found["set_aside"]).read_text().splitlines()]
        assert [row["line"] for row in set_aside] == [96, 97, 98, 99, 100]
        assert all(row["reason"] for row in set_aside)
    else:
        assert ended.error["problem"].startswith("6 of 100 rows of rows.jsonl are malformed")
        assert nothing_imported(empty_shop)


def test_an_empty_text(empty_shop):
    rows = [*labelled_rows(40), {"input": "", "output": "  ", "label": "advice", "label_source": "expert"}]
    found = with_rows(empty_shop, rows).ok(*IMPORT)
    assert (found["malformed"], found["new_examples"]) == (1, 40)
    assert "empty" in found["problems"][0]["reason"]


def test_one_id_with_two_texts(empty_shop):
    rows = labelled_rows(40)
    rows.append({**rows[0], "output": "another text"})
    error = with_rows(empty_shop, rows).run(*IMPORT, "--json").error
    assert error["code"] == "conflict"
    assert "lines 1 and 41" in error["got"]
    assert nothing_imported(empty_shop)


def test_texts_longer_than_the_window_and_hostile_ones_are_judged_and_say_so(shop):
    texts = ["buy " * 5000, "[SEP] buy [CLS] \x1b[2J <|eot_id|>", "\x00", "x y " * 250_000]
    write_rows(shop.root / "in.jsonl", [{"id": str(n), "output": text} for n, text in enumerate(texts)])
    done = shop.ok("judge", "advice@candidate", "in.jsonl", "-o", "out.jsonl")
    assert (done["rows"], done["decided"], done["set_aside"]) == (4, 3, 1)
    judged = [json.loads(line) for line in (shop.root / "out.jsonl").read_text().splitlines()]
    assert [row["verdict"]["truncated_tokens"] > 0 for row in judged] == [True, False, True]


def test_a_file_that_cannot_be_read(empty_shop):
    assert refused(empty_shop, "data", "import", "nothing.jsonl", "--criterion", "advice")["code"] == "not-found"
    (empty_shop.root / "rows.txt").write_text("a")
    assert "suffix" in refused(empty_shop, "data", "import", "rows.txt", "--criterion", "advice")["problem"]
    (empty_shop.root / "empty.jsonl").touch()
    assert "no rows" in refused(empty_shop, "data", "import", "empty.jsonl", "--criterion", "advice")["problem"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (
            ("data", "import", "rows.jsonl", "--criterion", "advice", "--label-source", "experts"),
            "did you mean 'expert'",
        ),
        ((*IMPORT, "--source", "prod"), "production"),
        ((*IMPORT, "--max-malformed", "1"), "from 0 up to"),
        ((*IMPORT, "--map-label", "x"), "--map-label FROM=TO"),
        ((*IMPORT, "--map-label", "x=advise"), "one of"),
        (("data", "freeze", "advice", "--accept-labels", "autor"), "did you mean 'author'"),
        (("data", "freeze", "advice", "--shares", "1,2"), "train, dev, calibration, test"),
        (("data", "freeze", "advice", "--shares", "0.5,0.5,0.5,0.5"), "1 in all"),
        (("train", "advice", "--threshold", "best"), "max-f1"),
        (("train", "advice", "--method", "lorra"), "head, lora, alora, full"),
        (("train", "advice", "--dataset", "advice-data-00000000"), "advice-data-"),
    ],
)
def test_options_that_mean_nothing(shop, words, part):
    error = refused(shop, *words)
    assert part in error["required"]


def test_a_backbone_that_is_not_there_or_is_a_pickle(shop, tmp_path):
    train = ("train", "advice", "--backbone")
    missing = refused(shop, *train, str(tmp_path / "nowhere"))
    assert missing["code"] == "not-found"
    shutil.copytree(shop.backbone, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    assert "pickled weights" in refused(shop, *train, str(tmp_path / "pickled"))["problem"]
    assert not list((shop.root / ".assay").glob("runs/*/"))


def test_training_values_out_of_range(shop):
    base = ("train", "advice", "--backbone", shop.backbone)
    assert refused(shop, *base, "--max-tokens", "100000")["required"] == "at most 512"
    assert refused(shop, *base, "--epochs", "0")["problem"].startswith("The training setting epochs")


def test_a_damaged_judge_folder(shop, steps):
    folder = shop.root / ".assay" / "judges" / steps["train"]["id"]
    head = folder / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"\x00\x00")
    write_rows(shop.root / "in.jsonl", [{"output": "buy"}])
    for words in (
        ("evaluate", "advice@candidate"),
        ("gate", "advice@candidate"),
        ("promote", "advice@candidate", "--waiver", "x"),
        ("judge", "advice@candidate", "in.jsonl", "-o", "out.jsonl"),
        ("verify", str(folder)),
    ):
        error = refused(shop, *words)
        assert error["code"] == "damaged"
        assert "head.safetensors' was changed" in error["problem"]


def test_an_edited_report_decides_nothing(shop, steps):
    path = shop.root / ".assay" / "judges" / steps["train"]["id"] / "report.json"
    values = json.loads(path.read_text())
    values["measures"]["f1"] = {**values["measures"]["f1"], "value": 1.0, "low": 1.0, "high": 1.0}
    path.write_text(json.dumps(values))
    assert refused(shop, "gate", "advice@candidate")["next_step"] == f"assay evaluate {steps['train']['id']}"
    assert refused(shop, "card", "advice@candidate")["code"] == "damaged"
    values["judge"]["id"] = "advice-00000000"
    path.write_text(json.dumps(values))
    assert "it is about advice-00000000" in refused(shop, "gate", "advice@candidate")["got"]
    path.write_text("{")
    assert refused(shop, "gate", "advice@candidate")["got"] == "it is not JSON"
    path.unlink()
    assert refused(shop, "gate", "advice@candidate")["code"] == "not-found"


def test_label_tokens_that_collide(shop, tiny):
    words = ("train", "advice", "--backbone", str(tiny("llama")), "--label-token", "advice=A")
    error = refused(shop, *words, "--label-token", "no_advice=A")
    assert error["code"] == "bad-input"
    assert error["problem"] == "The label tokens collide or are not single tokens."
    assert error["got"].count("→ 1 token(s)") == 2


@pytest.mark.parametrize("ref", ["advise@candidate", "advice@candidat", "advice-00000000", "../advice", "advice@"])
def test_references_that_point_at_nothing(shop, ref):
    assert refused(shop, "evaluate", ref)["code"] in ("not-found", "bad-input")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[gate]\nmin_f1 = 0.8\n", "did you mean 'gates'?"),
        ("[freeze]\nmin_test = 5\n", "did you mean 'min_test_per_class'?"),
        ("[freeze]\nshares = {tain = 1}\n", "shares"),
        ("[training]\nbackbone = 5\n", "valid string"),
        ("x", "TOML"),
    ],
)
def test_settings_that_are_not_valid(shop, text, part):
    (shop.root / "assay.toml").write_text(text)
    ended = shop.run("data", "list", "--json")
    assert part in ended.error["required"]


def test_gates_that_are_not_valid_are_refused_before_the_judge_runs(shop):
    (shop.root / "assay.toml").write_text("[gates]\nmin_f2 = 0.8\n")
    for command in ("evaluate", "gate", "card"):
        assert "did you mean 'min_f1'?" in refused(shop, command, "advice@candidate")["required"]
    assert shop.run("doctor").status == 1


def test_a_database_that_cannot_be_used(shop, monkeypatch):
    monkeypatch.setenv("ASSAY_DATABASE_URL", "mysql://root:secret@host/name")
    ended = shop.run("list", "--json")
    assert "sqlite" in ended.error["required"]
    assert "secret" not in ended.out + ended.err
    (shop.root / "other.db").write_text("this is no database, whatever its name says, but a page of text" * 50)
    monkeypatch.setenv("ASSAY_DATABASE_URL", "sqlite:///other.db")
    assert shop.run("list", "--json").error["code"] == "damaged"


def test_the_command_line_itself(shop):
    for words in (("trian", "advice"), ("train",), ("train", "advice", "--epochs", "many"), ("list", "--nonsense")):
        error = shop.run(*words, "--json").error
        assert error["code"] == "bad-usage"
        assert error["next_step"].endswith("--help")
        assert error["problem"] in shop.run(*words).err


def test_init_refuses_what_it_cannot_do_and_never_overwrites(tmp_path):
    (tmp_path / "file").touch()
    assert run_in(tmp_path, "init", "file", "--json").error["code"] == "bad-input"
    assert run_in(tmp_path, "init", "new", "--criterion", "no spaces", "--json").error["code"] == "bad-input"
    assert not (tmp_path / "new").exists()
    assert run_in(tmp_path, "init", "new", "--json").json["kept"] == []
    (tmp_path / "new" / "assay.toml").write_text("# mine\n")
    again = run_in(tmp_path, "init", "new", "--criterion", "second", "--json").json
    assert again["written"] == ["criteria/second.toml"]
    assert again["kept"] == ["assay.toml", ".assay/.gitignore"]
    assert (tmp_path / "new" / "assay.toml").read_text() == "# mine\n"


def test_the_demo_leaves_a_folder_with_other_things_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    assert run_in(tmp_path, "demo", "--dir", ".", "--json").error["code"] == "bad-input"
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.txt"]
