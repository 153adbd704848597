"""Settings: the only reader of `assay.toml` and of the environment.

    settings = read_settings(find_workspace(Path.cwd()))
    settings.database_url, settings.backbone, settings.judges

A workspace is the folder that holds `assay.toml`. Criteria files are read in `api.criteria`; what the gates require is
passed on as it stands in the file, for `validation.gates` knows its fields.
"""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.schema.dataset import Split
from assay.schema.errors import InputError, NotFoundError, shown
from assay.schema.records import read_toml, record_from

FILE_NAME = "assay.toml"
DATABASE_URL_VARIABLE = "ASSAY_DATABASE_URL"
DEBUG_VARIABLE = "ASSAY_DEBUG"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, kw_only=True)
class _Store:
    """[store]: where the rows are. An SQLite path is relative to the workspace."""

    url: str = "sqlite:///.assay/assay.db"


@dataclass(frozen=True, kw_only=True)
class _People:
    """[people]: who stands in the promotions log; None takes the user of the operating system."""

    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Freeze:
    """[freeze]: None takes the freeze's own defaults."""

    shares: Mapping[Split, float] | None = None
    min_test_per_class: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Training:
    """[training]: `backbone` is a name, a hub id, or a folder (a relative one beginning with a dot)."""

    backbone: str = "minilm"


@dataclass(frozen=True, kw_only=True)
class _File:
    """The tables of assay.toml."""

    store: Mapping[str, Any] = field(default_factory=dict)
    people: Mapping[str, Any] = field(default_factory=dict)
    freeze: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    gates: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one workspace.

    `gates` is the [gates] table as it stands; `shares` and `min_test_per_class` are None where the file leaves them to
    the freeze.
    """

    root: Path
    database_url: str
    person: str
    backbone: str
    shares: Mapping[Split, float] | None
    min_test_per_class: int | None
    gates: Mapping[str, Any]

    @property
    def data(self) -> Path:
        """The folder of everything that is not in git."""
        return self.root / ".assay"

    @property
    def judges(self) -> Path:
        """One folder a judge version."""
        return self.data / "judges"

    @property
    def blobs(self) -> Path:
        """Content-addressed files."""
        return self.data / "blobs"

    @property
    def runs(self) -> Path:
        """Private folders of trainings that have not ended."""
        return self.data / "runs"

    @property
    def set_aside(self) -> Path:
        """Malformed rows of imports."""
        return self.data / "set-aside"

    @property
    def arriving(self) -> Path:
        """Files being written; each is renamed to its place when it is whole."""
        return self.data / "arriving"

    @property
    def criteria(self) -> Path:
        """The criteria files."""
        return self.root / "criteria"


def find_workspace(start: Path) -> Path:
    """The nearest folder with an assay.toml: `start` or one above it. Raises NotFoundError."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise _no_workspace(f"none in {shown(str(here), 200)} or above it")


def read_settings(root: Path) -> Settings:
    """The settings of the workspace in this very folder.

    Raises NotFoundError (no assay.toml there), InputError (not TOML, an unknown table or key, a wrong type).
    """
    path = root / FILE_NAME
    if not path.is_file():
        raise _no_workspace(f"none in {shown(str(root), 200)}")
    tables = record_from(_File, read_toml(path), where=FILE_NAME)
    store = record_from(_Store, tables.store, where=f"{FILE_NAME} [store]")
    freeze = record_from(_Freeze, tables.freeze, where=f"{FILE_NAME} [freeze]")
    training = record_from(_Training, tables.training, where=f"{FILE_NAME} [training]")
    people = record_from(_People, tables.people, where=f"{FILE_NAME} [people]")
    root = root.resolve()
    return Settings(
        root=root,
        database_url=_absolute(os.environ.get(DATABASE_URL_VARIABLE) or store.url, root),
        person=people.name or _user(),
        backbone=str((root / training.backbone).resolve()) if training.backbone[:1] == "." else training.backbone,
        shares=freeze.shares,
        min_test_per_class=freeze.min_test_per_class,
        gates=tables.gates,
    )


def debug_wanted() -> bool:
    """Whether the environment asks for tracebacks (ASSAY_DEBUG=1)."""
    return os.environ.get(DEBUG_VARIABLE, "").lower() not in ("", "0", "false", "no")


def _absolute(url: str, root: Path) -> str:
    """A relative SQLite path is meant from the workspace, wherever the command runs."""
    if not url.startswith(_SQLITE):
        return url
    path = url.removeprefix(_SQLITE)
    if not path:
        raise InputError("The database URL names no file.", required="sqlite:///FILE", got=shown(url))
    return f"{_SQLITE}{root / path}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a user id that has no name
        return "unknown"


def _no_workspace(got: str) -> NotFoundError:
    return NotFoundError(
        "This is not an Assay workspace.",
        required=f"a folder with {FILE_NAME}",
        got=got,
        next_step="make one: assay init",
    )
