"""assay.toml and the environment."""

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from assay.config import debug_wanted, find_workspace, read_settings
from assay.datasets.minimums import MIN_TEST_PER_CLASS
from assay.datasets.splits import DEFAULT_SHARES
from assay.schema.errors import InputError, NotFoundError
from assay.validation.gates import GateRules


@pytest.fixture
def settings_of(tmp_path, monkeypatch):
    monkeypatch.delenv("ASSAY_DATABASE_URL", raising=False)

    def make(text=""):
        (tmp_path / "assay.toml").write_text(text)
        return read_settings(tmp_path)

    return make


def test_an_empty_file_gives_the_defaults(settings_of, tmp_path, monkeypatch):
    monkeypatch.setenv("LOGNAME", "mia")
    settings = settings_of()
    assert settings.database_url == f"sqlite:///{tmp_path}/.assay/assay.db"
    assert (settings.backbone, settings.shares, settings.min_test_per_class) == ("minilm", None, None)
    assert (settings.person, settings.gates) == ("mia", {})
    assert settings.judges == tmp_path / ".assay" / "judges"


def test_what_is_set_is_read(settings_of, tmp_path):
    settings = settings_of(
        '[store]\nurl = "sqlite:///rows.db"\n[people]\nname = "Mia"\n[training]\nbackbone = "./models/x"\n'
        "[freeze]\nmin_test_per_class = 50\nshares = { train = 0.4, dev = 0.1, calibration = 0.2, test = 0.3 }\n"
        "[gates]\nmin_f1 = 0.9\n"
    )
    assert settings.database_url == f"sqlite:///{tmp_path}/rows.db"
    assert (settings.person, settings.backbone) == ("Mia", f"{tmp_path}/models/x")
    assert (settings.shares["test"], settings.min_test_per_class, settings.gates) == (0.3, 50, {"min_f1": 0.9})


def test_the_environment_overrides_the_database(settings_of, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_DATABASE_URL", "postgresql://host/name")
    assert settings_of('[store]\nurl = "sqlite:///rows.db"\n').database_url == "postgresql://host/name"
    monkeypatch.setenv("ASSAY_DATABASE_URL", "sqlite:////abs/rows.db")
    assert settings_of().database_url == "sqlite:////abs/rows.db"
    monkeypatch.setenv("ASSAY_DATABASE_URL", "sqlite:///")
    with pytest.raises(InputError):
        settings_of()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[sotre]\n", "did you mean 'store'?"),
        ('[store]\nulr = "x"\n', "did you mean 'url'?"),
        ('[people]\nnmae = "x"\n', "did you mean 'name'?"),
        ("store = 5\n", "store"),
        ("[freeze]\nmin_test_per_class = 'many'\n", "min_test_per_class"),
    ],
)
def test_what_is_unknown_is_refused(settings_of, text, part):
    with pytest.raises(InputError) as caught:
        settings_of(text)
    assert part in caught.value.required


def test_the_workspace_is_found_from_below(settings_of, tmp_path):
    settings_of()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_workspace(tmp_path / "a" / "b") == tmp_path
    with pytest.raises(NotFoundError) as caught:
        find_workspace(Path("/"))
    assert caught.value.next_step == "make one: assay init"


@pytest.mark.parametrize(("value", "wanted"), [("1", True), ("yes", True), ("0", False), ("", False), ("false", False)])
def test_debug_is_asked_for_in_the_environment(monkeypatch, value, wanted):
    monkeypatch.setenv("ASSAY_DEBUG", value)
    assert debug_wanted() is wanted


def test_the_starter_file_shows_the_real_defaults(settings_of):
    text = (files("assay") / "samples" / "starter" / "assay.toml").read_text()
    assert settings_of(text) == settings_of()
    bare = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines())
    shown = tomllib.loads("\n".join(line for line in bare.splitlines() if not line.startswith("#")))
    assert GateRules.from_mapping(shown["gates"]) == GateRules()
    assert set(shown["gates"]) == set(vars(GateRules()))
    assert shown["freeze"] == {"shares": dict(DEFAULT_SHARES), "min_test_per_class": MIN_TEST_PER_CLASS}
    assert shown["training"] == {"backbone": settings_of().backbone}
    assert shown["store"]["url"] == "sqlite:///.assay/assay.db"


def test_int8_is_a_judges_own_and_no_setting_of_the_engine(tmp_path):
    (tmp_path / "assay.toml").write_text('[engine]\nbackend = "int8"\n')
    with pytest.raises(InputError, match="backend"):
        read_settings(tmp_path)
