"""Shared by the tests of every folder: both databases, and small records to put into them."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.ids import digest_files
from assay.schema.judge_version import BackboneRef, Calibration, Decision, JudgeVersion, Rendering
from assay.store.database import Database, open_database

# pytest puts this folder on the import path; there tests/datasets would pass for the library of that name
sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
os.environ["HF_HUB_OFFLINE"] = "1"  # no test may reach the network; read when huggingface_hub is first imported
SCHEMA_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Postgres server, stopped at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs, where XDG_RUNTIME_DIR is not set
        pgserver = pytest.importorskip("pgserver")
        try:
            server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
        except Exception as error:  # whatever keeps Postgres from running here is the reason of the skip
            pytest.skip(f"Postgres cannot run here: {type(error).__name__}: {error}")
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # only this session's speed hangs on the disk
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once on SQLite and once on Postgres."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'assay.db'}"
    server = request.getfixturevalue("postgres")
    psycopg = pytest.importorskip("psycopg")
    schema = f"test_{next(SCHEMA_NUMBERS)}"  # made in milliseconds, where a database of its own takes a second
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{server}&options=-csearch_path%3D{schema}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database, closed at the end."""
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny backbone (`assay.testing.tiny_backbone`), made once for each kind and configuration."""
    from assay.testing import tiny_backbone  # noqa: PLC0415 - torch, which most folders of tests do without

    made: dict[str, Path] = {}

    def make(kind: str, **config: object) -> Path:
        key = f"{kind} {config}"
        if key not in made:
            made[key] = tiny_backbone(kind, tmp_path_factory.mktemp(kind), **config)
        return made[key]

    return make


@pytest.fixture
def make_criterion() -> Callable[..., Criterion]:
    """Criteria that differ in what is given."""

    def make(name: str = "advice", version: str = "1", question: str = "Is this advice?") -> Criterion:
        levels = (Level(label="yes"), Level(label="no"))
        scale = Scale(kind="binary", levels=levels, positive="yes")
        return Criterion(name=name, version=version, question=question, reads=("output",), scale=scale)

    return make


@pytest.fixture
def make_version(make_criterion: Callable[..., Criterion]) -> Callable[..., JudgeVersion]:
    """Judge versions that differ in name, seed and the files of `folder`."""

    def make(folder: Path | None = None, *, name: str = "advice", seed: int = 0) -> JudgeVersion:
        files = (
            {} if folder is None else {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
        )
        rendering = Rendering(
            template="encoder.v1",
            layout="content-first",
            reads=("output",),
            max_tokens=256,
            truncate=("output",),
            label_tokens={},
        )
        calibration = Calibration(
            calibrator="identity",
            parameters={},
            fitted_base_rate={"yes": 0.5, "no": 0.5},
            production_base_rate={"yes": 0.5, "no": 0.5},
            rate_source="unshifted",
            rows=100,
        )
        return JudgeVersion(
            name=name,
            criterion=make_criterion(name),
            family="encoder",
            method="head",
            backbone=BackboneRef(
                name="minilm", revision=None, architecture="BertModel", weights_digest="0" * 64, parameters=22
            ),
            rendering=rendering,
            calibration=calibration,
            decision=Decision(threshold=0.5, policy="max-f1"),
            fallback="allow-and-flag",
            modes=("single-token",),
            dtype="float32",
            dataset=f"{name}-data-00000000",
            dataset_digest="0" * 64,
            training={"seed": seed},
            files=digest_files(files),
            parent=None,
            created_at="2026-01-01T00:00:00.000000+00:00",
        )

    return make
