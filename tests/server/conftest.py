"""Servers for tests: the real application over a real database, on the test engine."""

import dataclasses
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from assay.config import Settings, read_settings
from assay.registry import Registry
from assay.schema.gate import Gate, GateDecision
from assay.schema.judge_version import JudgeVersion
from assay.server.app import server_app
from assay.server.running import Serving, serving_of
from assay.store.database import open_database
from assay.testing_engine import TestEngine

DIFFERENT_SEEDS = iter(range(1, 1_000_000))


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A workspace with judges that the test engine can run."""

    root: Path
    tokenizer: Path
    make_version: Callable[..., JudgeVersion]
    engine: TestEngine = field(default_factory=TestEngine)

    @property
    def settings(self) -> Settings:
        return read_settings(self.root)

    def configure(self, text: str) -> None:
        """Write assay.toml; a judge may take long to load here, so there is time unless a test gives less."""
        head, _, rest = text.partition("[serving]\n")
        (self.root / "assay.toml").write_text(f"{head}[serving]\ndeadline_ms = 30_000\n{rest}")

    def staged(self, name: str = "advice", **changes: object) -> tuple[Path, JudgeVersion]:
        """A judge folder outside of the workspace, its version with changes."""
        seed = next(DIFFERENT_SEEDS)
        folder = self.root / "staged" / str(seed)
        shutil.copytree(self.tokenizer, folder / "tokenizer")
        return folder, dataclasses.replace(self.make_version(folder, name=name, seed=seed), **changes)

    def add(self, name: str = "advice", alias: str | None = None, **changes: object) -> str:
        """A new judge version, with an alias. Returns its id."""
        folder, version = self.staged(name, **changes)
        with self.registry() as registry:
            added = registry.add(folder, version)
        if alias is not None:
            self.point(added, alias)
        return added

    def point(self, version: str, alias: str) -> None:
        """Move an alias; a champion is promoted with a waiver after a failed gate decision."""
        with self.registry() as registry:
            if alias != "champion":
                registry.set_alias(version, alias, by="mia", reason="test")
                return
            gate = Gate(name="g", required="r", measured=1.0, low=1.0, high=1.0, passed=True, why="fine")
            registry.record_gates(GateDecision(judge=version, dataset="d", gates=(gate,)), "0" * 64)
            registry.promote(version, by="mia", reason="test")

    @property
    def registry(self) -> Callable[..., "_Opened"]:
        return lambda: _Opened(self.settings)

    @asynccontextmanager
    async def serving(self, **options: object) -> AsyncIterator[tuple[httpx.AsyncClient, Serving]]:
        """A running server and a client of it."""
        given = {"open_access": True, "make_engine": lambda version: self.engine, **options}
        with serving_of(self.settings, **given) as serving:
            transport = httpx.ASGITransport(app=server_app(serving), raise_app_exceptions=False)
            async with (
                serving.at_work(),
                httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client,
            ):
                yield client, serving


class _Opened:
    def __init__(self, settings: Settings) -> None:
        settings.data.mkdir(exist_ok=True)
        self._settings = settings

    def __enter__(self) -> Registry:
        self._database = open_database(self._settings.database_url)
        return Registry(self._database, self._settings.judges)

    def __exit__(self, *_: object) -> None:
        self._database.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def shop(tmp_path: Path, tiny: Callable[..., Path], make_version: Callable[..., JudgeVersion]) -> Shop:
    """A workspace without judges."""
    root = tmp_path / "shop"
    root.mkdir()
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    for path in tiny("bert").iterdir():
        if "token" in path.name or "vocab" in path.name:
            shutil.copy(path, tokenizer)
    made = Shop(root=root, tokenizer=tokenizer, make_version=make_version)
    made.configure("")
    return made


@pytest.fixture
def asked() -> Callable[..., dict[str, object]]:
    """The body of a request for one judge."""

    def make(output: str = "buy the bonds now", judge: str = "advice", **more: object) -> dict[str, object]:
        return {"judges": [judge], "output": output, **more}

    return make
