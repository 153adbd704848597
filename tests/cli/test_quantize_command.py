"""`assay quantize`, on a real judge of a tiny backbone."""

import json

import pytest
import torch

from assay.api import Workspace
from assay.registry import verify

pytestmark = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="this processor has no VNNI")


def test_a_child_is_made_calibrated_evaluated_and_judges(shop):
    parent = shop.ok("show", "advice@candidate")["id"]
    made = shop.ok("quantize", "advice@candidate", "--to", "int8")
    assert (made["parent"], made["dtype"]) == (parent, "int8")
    folder = shop.root / ".assay" / "judges" / made["id"]
    version = verify(folder)
    assert (version.parent, version.dtype, version.calibration.rows) == (parent, "int8", 54)
    assert "int8.safetensors" in version.files
    assert version.calibration.rate_source == "declared"
    against = made["against_parent"]
    assert against["parent"] == parent
    assert 0 <= against["flips"]["low"] <= against["flips"]["value"] <= against["flips"]["high"] <= 1
    assert against["size"]["memory"] < against["parent_size"]["memory"]
    stored = json.loads((folder / "report.json").read_text())
    assert stored["against_parent"] == against
    gates = {gate["name"]: gate for gate in made["gates"]}
    assert gates["few-flips"]["measured"] == against["flips"]["value"]
    assert gates["few-flips"]["passed"] == (against["flips"]["value"] <= 0.02)
    assert shop.ok("show", "advice@candidate")["id"] == parent  # it moves no alias
    with Workspace.open(shop.root) as here:
        verdict = here.load(made["id"]).judge(input="what now", output="weather food garden buy river night")
    assert (verdict.kind, verdict.judge) == ("decided", made["id"])


def test_the_same_judge_gives_the_same_child_and_a_strict_budget_refuses_it(shop):
    first = shop.ok("quantize", "advice@candidate")["id"]
    assert shop.ok("quantize", "advice@candidate")["id"] == first
    settings = shop.root / "assay.toml"
    text = settings.read_text()
    assert text.count("[gates]\n") == 1
    settings.write_text(text.replace("[gates]\n", "[gates]\nmax_f1_loss = 0.0\nmax_f1_loss_bound = 0.0\n"))
    decided = {gate["name"]: gate for gate in shop.ok("gate", first)["gates"]}
    loss = decided["keeps-f1"]
    assert loss["passed"] == (loss["measured"] <= 0 and loss["high"] <= 0)
    assert "upper bound ≤ 0" in loss["required"]


def test_bad_input_is_refused_and_nothing_is_left_behind(shop):
    child = shop.ok("quantize", "advice@candidate")["id"]
    judges = sorted(path.name for path in (shop.root / ".assay" / "judges").iterdir())
    format_error = shop.run("quantize", "advice@candidate", "--to", "int4", "--json").error
    assert (format_error["required"], format_error["got"]) == ("one of int8", "'int4'")
    twice = shop.run("quantize", child, "--json").error
    assert "quantised already" in twice["problem"]
    assert shop.run("quantize", "advice@shadow", "--json").error["code"] == "not-found"
    assert sorted(path.name for path in (shop.root / ".assay" / "judges").iterdir()) == judges
    assert not list((shop.root / ".assay" / "runs").glob("quantise*"))


def test_people_see_speed_size_flips_and_the_decision(shop):
    ended = shop.run("quantize", "advice@candidate")
    assert ended.status == 0, ended.err
    for words in ("rows/s", "weights in memory", "answers that differ", "F1 lost", "promote"):
        assert words in ended.out
