"""Starting a workspace."""

import pytest

from assay.api.criteria import criterion_names, read_criterion
from assay.api.starting import start_workspace, write_new
from assay.config import read_settings
from assay.schema.errors import InputError


def test_a_new_workspace_has_settings_and_a_criterion_that_can_be_read(tmp_path):
    started = start_workspace(tmp_path / "new", "tone")
    assert started.written == ("assay.toml", "criteria/tone.toml", ".assay/.gitignore")
    settings = read_settings(tmp_path / "new")
    criterion = read_criterion(settings.criteria, "tone")
    assert (criterion.key, criterion.scale.kind) == ("tone/1", "binary")
    assert criterion_names(settings.criteria) == ["tone"]
    assert (settings.data / ".gitignore").read_text() == "*\n"


def test_the_floor_of_agreement_stands_ready_in_a_new_criterion(tmp_path):
    start_workspace(tmp_path, "tone")
    path = tmp_path / "criteria" / "tone.toml"
    path.write_text(path.read_text().replace("# agreement_floor", "agreement_floor"))
    assert read_criterion(path.parent, "tone").agreement_floor == 0.5


@pytest.mark.parametrize("name", ["", "two words", "a-b", 'a"b', "../a", "\n"])
def test_a_name_that_a_criterion_cannot_have_writes_nothing(tmp_path, name):
    with pytest.raises(InputError):
        start_workspace(tmp_path / "new", name)
    assert not (tmp_path / "new").exists()


def test_a_file_is_written_once(tmp_path):
    assert write_new(tmp_path / "a" / "b", b"first")
    assert not write_new(tmp_path / "a" / "b", b"second")
    assert (tmp_path / "a" / "b").read_bytes() == b"first"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
