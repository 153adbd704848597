"""From labelled rows to a promoted judge and a judged file, by the commands alone."""

import json
import shutil

from shop import labelled_rows, run_in, tree, write_rows


def test_each_step_says_what_it_did(steps):
    assert (steps["import"]["rows"], steps["import"]["new_examples"], steps["import"]["new_labels"]) == (360, 360, 720)
    frozen = steps["freeze"]
    assert frozen["counts"]["test"] == {"advice": 36, "no_advice": 36}
    assert frozen["waiver"] == {"accept_labels": ["expert"], "min_test_per_class": 30, "synthetic": "none"}
    assert frozen["agreement"]["pairwise_agreement"]["n"] == 360
    assert "36 test rows of a class" in frozen["interval_bought"]
    trained = steps["train"]
    assert trained["dataset"] == frozen["id"]
    assert trained["settings"]["epochs"] == 6
    assert len(trained["epochs"]) <= 6
    assert {"train_loss", "dev_loss"} <= trained["epochs"][0].keys()
    evaluated = steps["evaluate"]
    assert evaluated["judge"] == trained["id"]
    assert evaluated["measures"]["f1"]["low"] <= evaluated["measures"]["f1"]["value"]
    assert evaluated["measures"]["auroc"]["value"] > 0.8  # it learnt the word
    assert set(evaluated["contenders"]) == {"majority", "bag-of-words"}
    assert not evaluated["may_be_promoted"]
    assert any("waived" in reason for reason in evaluated["because"])


def test_an_llm_judge_and_chosen_slices_stand_on_the_card(shop, steps):
    verdicts = [{"id": row["id"], "label": row["labels"][0]["value"], "model": "gpt-x"} for row in labelled_rows(360)]
    write_rows(shop.root / "llm.jsonl", verdicts)
    found = shop.ok("evaluate", "advice@candidate", "--llm-verdicts", "llm.jsonl", "--slices", "length")
    assert found["contenders"]["llm-judge"]["f1"]["value"] == 1.0
    assert found["contender_rows"]["llm-judge"] == 72
    assert {part["key"] for part in found["slices"]} == {"length"}
    page = (shop.root / found["card"]).read_text()
    assert "LLM judge" in page
    assert "gpt-x" in page
    assert "LLM judge" in (shop.root / shop.ok("gate", "advice@candidate")["card"]).read_text()
    before = tree(shop.root)
    assert "slice key" in shop.run("evaluate", "advice@candidate", "--slices", "topc", "--json").error["problem"]
    write_rows(shop.root / "llm.jsonl", verdicts[:0])
    refused = shop.run("evaluate", "advice@candidate", "--llm-verdicts", "llm.jsonl", "--json").error
    assert "none of the examples" in refused["problem"]
    assert {**tree(shop.root), "llm.jsonl": b""} == {**before, "llm.jsonl": b""}


def test_an_import_says_what_it_presumes_of_the_origin(empty_shop):
    words = ("data", "import", "rows.jsonl", "--criterion", "advice")
    check = empty_shop.run("data", "check", *words[2:]).out
    said = empty_shop.run(*words).out
    for text in (check, said):
        assert "360 rows do not say where their text is from" in text
        assert "production" in text
        assert "720 labels have no date" in text
    said = empty_shop.run(*words, "--source", "synthetic", "--date", "2026-01-02").out
    assert "do not say" not in said
    assert "no date" not in said


def test_the_same_data_again_changes_nothing(shop, steps):
    again = shop.ok("data", "import", "rows.jsonl", "--criterion", "advice")
    assert again["import_id"] is None
    assert again["known_examples"] == 360
    assert shop.ok("data", "freeze", "advice", "--min-test-per-class", "30")["id"] == steps["freeze"]["id"]
    assert len(shop.ok("data", "list")["datasets"]) == 1


def test_a_file_is_checked_without_being_imported(empty_shop):
    found = empty_shop.ok("data", "check", "rows.jsonl", "--criterion", "advice")
    assert found["labels"] == {"expert": {"advice": 360, "no_advice": 360}}
    assert found["acceptable"]
    frozen = empty_shop.run("data", "freeze", "advice", "--json")
    assert frozen.error["code"] == "not-found"


def test_the_list_shows_the_version_with_its_alias_and_measure(shop, steps):
    (version,) = shop.ok("list", "advice")["versions"]
    assert version["id"] == steps["train"]["id"]
    assert version["aliases"] == ["candidate"]
    assert version["value"] == steps["evaluate"]["measures"]["f1"]["value"]
    assert version["may_be_promoted"] is False
    assert version["id"] in shop.run("list").out


def test_people_see_the_measures_and_the_decision(shop):
    shown = shop.run("evaluate", "advice")
    assert shown.status == 2
    assert "advice has no champion" in shown.err
    shown = shop.run("evaluate", "advice@candidate")
    assert shown.status == 0
    assert "AUROC" in shown.out
    assert "may not be promoted, because" in shown.out
    assert "card.html" in shown.out


def test_a_refused_promotion_names_the_reasons_and_a_waiver_goes_to_the_log(shop, steps):
    refused = shop.run("promote", "advice@candidate")
    assert refused.status == 2
    assert "may not be promoted, because" in refused.err
    assert "waived at the freeze" in refused.err or "waiver" in refused.err
    assert "Traceback" not in refused.err
    moved = shop.ok("promote", "advice@candidate", "--reason", "trial", "--waiver", "a trial on synthetic rows")
    assert moved["version"] == steps["train"]["id"]
    log = shop.ok("history", "advice")["history"]
    assert [(row["alias"], row["waiver"]) for row in log] == [
        ("candidate", None),
        ("champion", "a trial on synthetic rows"),
    ]
    assert shop.ok("show", "advice")["aliases"] == ["candidate", "champion"]
    assert shop.run("rollback", "advice", "--json").error["code"] == "refused"


def test_a_judge_that_passes_is_promoted_and_rolled_back(shop, steps):
    lenient = "[gates]\nmin_expert_test_rows_per_class = 0\nmin_f1 = 0.0\nmin_agreement = 0.0\n"
    lenient += "beats_bag_of_words = false\nbeats_majority = false\ncalibrated = false\nmin_expected_precision = 0.0\n"
    (shop.root / "assay.toml").write_text(lenient)
    again = shop.ok("gate", "advice@candidate")
    failed = [gate["name"] for gate in again["gates"] if not gate["passed"]]
    assert failed == ["expert-labels"]  # the waiver of the freeze is still there
    assert shop.run("gate", "advice@candidate", "--check").status == 1
    assert shop.run("gate", "advice@candidate").status == 0
    first = steps["train"]["id"]
    second = shop.ok(*shop.train_words, "--threshold", "0.3")["id"]
    assert second != first
    shop.ok("promote", first, "--waiver", "first")
    assert shop.run("promote", second, "--json").error["problem"].endswith("its gates have not been measured.")
    shop.ok("evaluate", second)
    shop.ok("promote", second, "--waiver", "second")
    back = shop.ok("rollback", "advice", "--reason", "worse")
    assert (back["version"], back["previous"]) == (first, second)


def test_other_aliases_move_freely_but_the_champion_does_not(shop, steps):
    assert shop.ok("alias", "advice@candidate", "shadow")["version"] == steps["train"]["id"]
    assert shop.run("alias", "advice@candidate", "champion", "--json").error["code"] == "refused"
    assert shop.run("alias", "advice@candidate", "shadw", "--json").error["next_step"] == "did you mean 'shadow'?"


def test_the_card_is_drawn_again(shop):
    card = shop.root / ".assay" / "judges" / shop.ok("show", "advice@candidate")["id"] / "card.html"
    before = card.read_text()
    card.unlink()
    assert shop.ok("card", "advice@candidate")["card"] == str(card)
    assert card.read_text() == before
    assert shop.run("card", "advice@candidate").out.strip() == str(card)


def test_a_file_is_judged(shop, steps):
    rows = [{key: row[key] for key in ("id", "input", "output")} for row in labelled_rows(10, seed=9)]
    write_rows(shop.root / "in.jsonl", rows)
    done = shop.ok("judge", "advice@candidate", "in.jsonl", "-o", "out.jsonl")
    assert (done["rows"], done["decided"]) == (10, 10)
    judged = [json.loads(line) for line in (shop.root / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in judged] == [row["id"] for row in rows]
    assert {row["verdict"]["judge"] for row in judged} == {steps["train"]["id"]}


def test_a_copied_folder_is_verified_and_adopted_elsewhere(shop, empty_shop, tmp_path, steps):
    judge = steps["train"]["id"]
    shutil.copytree(shop.root / ".assay" / "judges" / judge, tmp_path / judge)
    assert empty_shop.ok("verify", str(tmp_path / judge))["id"] == judge
    assert empty_shop.ok("adopt", str(tmp_path / judge))["id"] == judge
    assert empty_shop.run("gate", judge, "--json").error["next_step"] == f"assay evaluate {judge}"
    assert empty_shop.run("evaluate", judge, "--json").error["problem"].startswith("There is no dataset")
    assert empty_shop.run("promote", judge, "--json").error["code"] == "refused"


def test_the_doctor_finds_a_sound_workspace_and_a_damaged_judge(shop, steps):
    found = {one["name"]: one["state"] for one in shop.ok("doctor")["findings"]}
    assert found["database"] == found["criterion advice"] == found[f"dataset {steps['freeze']['id']}"] == "ok"
    assert found[f"judge {steps['train']['id']}"] == found["leftovers"] == "ok"
    (shop.root / ".assay" / "judges" / steps["train"]["id"] / "head.safetensors").write_bytes(b"0")
    (shop.root / ".assay" / "arriving").mkdir(exist_ok=True)
    (shop.root / ".assay" / "arriving" / "report.json_1").touch()
    ended = shop.run("doctor", "--json")
    assert ended.status == 1
    found = {one["name"]: one["state"] for one in ended.json["findings"]}
    assert found[f"judge {steps['train']['id']}"] == "broken"
    assert found["leftovers"] == "warning"


def test_a_command_finds_its_workspace_from_below_and_by_option(shop, tmp_path):
    below = shop.root / "criteria"
    assert run_in(below, "data", "list", "--json").json["criteria"] == ["advice"]
    assert run_in(tmp_path, "data", "list", "--workspace", str(shop.root), "--json").json["criteria"] == ["advice"]
    assert run_in(tmp_path, "data", "list", "--json").error["next_step"] == "make one: assay init"
    assert run_in(tmp_path, "data", "list", "--workspace", str(below), "--json").error["code"] == "not-found"
