"""A judge on the folder of a backbone, copied to a machine where that folder is elsewhere."""

import asyncio
import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from shop import Shop, run_in

import assay
from assay.config import read_settings
from assay.schema.errors import IntegrityError, NotFoundError
from assay.server.running import serving_of
from assay.testing import tiny_backbone

TEXT = ("--input", "what now", "--output", "you should buy shares")


@pytest.fixture(scope="module")
def before(new_shop, tmp_path_factory):
    """A workspace whose judge was trained on a folder that is then moved away; what the judge said before."""
    here = tmp_path_factory.mktemp("moved")
    made = new_shop()
    shop = Shop(root=made.root, backbone=str(shutil.copytree(made.backbone, here / "old")))
    shop.ok("data", "import", "rows.jsonl", "--criterion", "advice")
    shop.ok("data", "freeze", "advice", "--min-test-per-class", "30")
    trained = shop.ok(*shop.train_words, "--epochs", "1")
    said = shop.ok("judge", "advice@candidate", *TEXT)
    (here / "old").rename(here / "new")
    return {"shop": shop, "judge": trained["id"], "said": said, "new": here / "new"}


@pytest.fixture
def moved(before, tmp_path):
    """A copy of that workspace."""
    root = Path(shutil.copytree(before["shop"].root, tmp_path / "shop"))
    return dataclasses.replace(before["shop"], root=root)


def test_the_refusal_says_which_weights_and_how_to_name_their_place(before, moved):
    error = moved.run("judge", "advice@candidate", *TEXT, "--json").error
    assert error["code"] == "not-found"
    assert "/old" in error["problem"]
    digits = error["required"].partition("digest ")[2].rstrip("…")
    assert "--backbone FOLDER" in error["next_step"]
    assert f'"{digits}" = "FOLDER" under [backbones] in assay.toml' in error["next_step"]
    (moved.root / "assay.toml").write_text(f'[backbones]\n"{digits}" = "{before["new"]}"\n')
    assert moved.ok("judge", "advice@candidate", *TEXT)["scores"] == before["said"]["scores"]


def test_a_copied_judge_is_told_on_the_command_line_and_from_python(before, moved, tmp_path):
    copied = Path(shutil.copytree(moved.root / ".assay" / "judges" / before["judge"], tmp_path / "copy"))
    words = ("judge", str(copied), *TEXT, "--backbone", "new", "--json")
    assert run_in(before["new"].parent, *words).json["scores"] == before["said"]["scores"]
    judge = assay.load(copied, backbone=before["new"])
    assert judge.judge(input="what now", output="you should buy shares").scores == before["said"]["scores"]
    with pytest.raises(NotFoundError, match="no backbone folder"):
        assay.load(copied, backbone=tmp_path / "nowhere")


def test_other_weights_are_refused_wherever_they_are_named(before, moved, tmp_path):
    other = tiny_backbone("bert", tmp_path / "other", seed=1)
    with pytest.raises(IntegrityError, match=r"other' is not the one that this judge was trained on"):
        assay.load("advice@candidate", moved.root, backbone=other)


def test_the_setting_holds_for_every_command_and_for_the_server(before, moved):
    shutil.copytree(before["new"], moved.root / "models" / "base")
    (moved.root / "assay.toml").write_text(f'[backbones]\n"{before["shop"].backbone}" = "./models/base"\n')
    measured = moved.ok("evaluate", "advice@candidate")
    assert measured["judge"] == before["judge"]
    with serving_of(read_settings(moved.root)) as serving:
        assert asyncio.run(serving.judges.ensure([before["judge"]])) == {}


@pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="this processor has no VNNI")
def test_a_judge_is_quantised_on_a_backbone_that_moved(before, moved):
    (moved.root / "assay.toml").write_text(f'[backbones]\n"{before["shop"].backbone}" = "{before["new"]}"\n')
    assert moved.ok("quantize", "advice@candidate", "--to", "int8")["id"] != before["judge"]
