"""The Python API on a trained judge: by reference, by folder, and what cannot be judged."""

import shutil

import pytest

import assay
from assay import Abstained, AssayError, Decided, Failed
from assay.schema.errors import InputError, IntegrityError, NotFoundError


@pytest.fixture
def judge(shop):
    return assay.load("advice@candidate", workspace=shop.root)


def test_a_judge_is_loaded_by_reference_and_decides(judge, steps):
    verdict = judge.judge(input="what now", output="you should buy shares")
    assert isinstance(verdict, Decided)
    assert verdict.judge == judge.id == steps["train"]["id"]
    assert sum(verdict.probabilities.values()) == pytest.approx(1)
    assert judge.criterion.key == "advice/1"


def test_turns_and_unread_fields_are_taken(judge):
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "how can I help"}]
    read = judge.judge(output="buy", turns=turns, context="c", reference="r")
    assert read.scores == judge.judge(output="buy").scores  # this criterion reads input and output only


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "", "output": " "},
        {"reference": "nothing that is read"},
        {"output": "half \ud800"},
        {"output": "buy", "turns": [{"role": "robot", "content": "x"}]},
        {"output": {"a": 1}},
        {},
    ],
)
def test_what_cannot_be_judged_is_a_failed_verdict(judge, fields):
    verdict = judge.judge(**fields)
    assert isinstance(verdict, Failed)
    assert verdict.action == "allow-and-flag"
    assert verdict.reason.startswith("bad-input: ")


def test_an_unknown_field_is_an_error_of_the_program(judge):
    with pytest.raises(TypeError):
        judge.judge(ouput="x")


def test_a_copied_folder_is_verified_then_loaded_without_a_workspace(shop, judge, tmp_path, monkeypatch):
    folder = tmp_path / "anywhere" / judge.id
    shutil.copytree(shop.root / ".assay" / "judges" / judge.id, folder)
    monkeypatch.chdir(tmp_path)
    same = {"input": "what now", "output": "sell it"}
    for place in (folder, str(folder), f"./anywhere/{judge.id}"):
        assert assay.load(place).judge(**same).scores == judge.judge(**same).scores
    with pytest.raises(NotFoundError, match="not an Assay workspace"):
        assay.load(judge.id)
    (folder / "extra.py").touch()
    with pytest.raises(IntegrityError):
        assay.load(folder)


def test_references_are_looked_up_in_the_workspace(shop):
    with assay.Workspace.open(shop.root) as here:
        assert assay.load("advice@candidate", here).id == here.load("advice@candidate").id
        with pytest.raises(NotFoundError):
            here.load("advice")
        with pytest.raises(InputError):
            here.load("no such thing")


def test_the_public_names_are_there():
    assert {Abstained, Decided, Failed} == set(assay.Verdict.__args__)
    assert issubclass(NotFoundError, AssayError)
    assert set(assay.__all__) <= set(dir(assay))
    for name in assay.__all__:
        assert getattr(assay, name) is not None
    with pytest.raises(AttributeError):
        assay.nothing  # noqa: B018
