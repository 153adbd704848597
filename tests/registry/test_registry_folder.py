"""Verification of a judge folder: every kind of damage is named, and none is taken in."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from assay.registry import verify
from assay.registry.folder import JUDGE_FILE, PICKLE_SUFFIXES, UNLISTED_FILES, copy_in, move_in, write_judge_file
from assay.schema.errors import IntegrityError, NotFoundError


@pytest.fixture
def folder(stage, tmp_path):
    staged, version = stage()
    write_judge_file(staged, version)
    return staged.rename(tmp_path / version.id)


def rewrite(folder, **changes):
    values = json.loads((folder / JUDGE_FILE).read_text())
    (folder / JUDGE_FILE).write_text(json.dumps({**values, **changes}))


def damage_of(folder):
    with pytest.raises(IntegrityError) as refusal:
        verify(folder)
    assert "copy it again" in refusal.value.next_step
    assert str(folder.name) in refusal.value.problem
    return refusal.value.problem


def test_a_sound_folder_is_its_version(folder, make_version):
    version = verify(folder)
    assert version.id == folder.name
    assert version.name == "advice"
    assert set(version.files) == {"head.safetensors", "tokenizer/tokenizer.json"}
    assert json.loads((folder / JUDGE_FILE).read_text())["digest"] == version.digest


def test_what_is_written_later_may_lie_beside(folder):
    for name in UNLISTED_FILES - {JUDGE_FILE}:
        (folder / name).write_text("later")
    assert verify(folder).id == folder.name


def test_a_folder_may_have_a_name_of_its_own(folder, tmp_path):
    assert verify(folder.rename(tmp_path / "copy")).name == "advice"


def test_what_is_in_its_place_stays(stage, tmp_path):
    for number, arrive in enumerate((move_in, copy_in, move_in)):
        staged, version = stage()
        write_judge_file(staged, version)
        (staged / "report.json").write_text(str(number))
        arrive(staged, tmp_path / "judges" / version.id)
    assert (tmp_path / "judges" / version.id / "report.json").read_text() == "0"
    assert [path.name for path in (tmp_path / "judges").iterdir()] == [version.id]


def test_a_move_between_file_systems_is_a_copy(stage):
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as other:  # noqa: S108
        staged, version = stage()
        write_judge_file(staged, version)
        move_in(staged, Path(other) / version.id)
        assert not staged.exists()
        assert verify(Path(other) / version.id) == version
        assert [path.name for path in Path(other).iterdir()] == [version.id]


def test_no_folder_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="There is no judge folder"):
        verify(tmp_path / "absent")


def test_a_changed_file(folder):
    (folder / "head.safetensors").write_bytes(b"\1" * 100)
    assert "'head.safetensors' was changed" in damage_of(folder)


def test_a_cut_file(folder):
    (folder / "head.safetensors").write_bytes(b"\0" * 99)
    assert "'head.safetensors' was changed" in damage_of(folder)


def test_a_missing_file(folder):
    (folder / "tokenizer" / "tokenizer.json").unlink()
    assert "'tokenizer/tokenizer.json' is missing" in damage_of(folder)


@pytest.mark.parametrize("name", ["adapter.safetensors", "tokenizer/report.json", "modeling_advice.py"])
def test_an_unlisted_file(folder, name):
    (folder / name).write_text("x")
    assert f"{name!r} does not belong to this version" in damage_of(folder)


@pytest.mark.parametrize("suffix", sorted(PICKLE_SUFFIXES))
def test_a_pickle_anywhere(folder, suffix):
    (folder / "tokenizer" / f"weights{suffix.upper()}").write_bytes(b"x")
    assert "can run code when it is loaded" in damage_of(folder)


def test_a_pickle_that_is_listed(stage, make_version):
    staged, _ = stage()
    (staged / "pytorch_model.bin").write_bytes(b"x")
    write_judge_file(staged, make_version(staged))
    assert "'pytorch_model.bin' is of a kind that can run code" in damage_of(staged)


def test_links_are_not_followed(folder, tmp_path):
    shutil.move(folder / "head.safetensors", tmp_path / "head.safetensors")
    (folder / "head.safetensors").symlink_to(tmp_path / "head.safetensors")
    (folder / "more").symlink_to(tmp_path, target_is_directory=True)
    problem = damage_of(folder)
    assert "'head.safetensors' is not a plain file" in problem
    assert "'more' is not a plain file" in problem


def test_a_folder_named_after_another_version(folder, tmp_path):
    assert "it is named advice-00000000" in damage_of(folder.rename(tmp_path / "advice-00000000"))


def test_a_changed_recipe(folder):
    recipe = json.loads((folder / JUDGE_FILE).read_text())["recipe"]
    rewrite(folder, recipe={**recipe, "decision": {**recipe["decision"], "threshold": 0.1}})
    assert "judge.json was changed" in damage_of(folder)


def test_an_unknown_part_of_a_recipe(folder):
    recipe = json.loads((folder / JUDGE_FILE).read_text())["recipe"]
    rewrite(folder, recipe={**recipe, "treshold": 1})
    assert "not a valid recipe" in damage_of(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}', "\x00", '{"a":' * 50_000])
def test_a_recipe_that_is_none(folder, text):
    (folder / JUDGE_FILE).write_text(text)
    assert "judge.json is not" in damage_of(folder)


def test_a_recipe_in_other_bytes_or_absent(folder):
    (folder / JUDGE_FILE).write_bytes(b"\xff\xfe")
    assert "judge.json is not JSON" in damage_of(folder)
    (folder / JUDGE_FILE).unlink()
    assert "judge.json is missing" in damage_of(folder)


def test_much_damage_is_listed_in_part(folder):
    for number in range(7):
        (folder / f"extra-{number}").write_text("x")
    assert damage_of(folder).endswith("'extra-4' does not belong to this version; and 2 more.")
