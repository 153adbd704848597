"""Shared by the tests of the registry."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from assay.registry import Registry
from assay.schema.gate import Gate, GateDecision
from assay.schema.judge_version import JudgeVersion
from assay.store.database import Database


@pytest.fixture
def registry(database: Database, tmp_path: Path) -> Registry:
    return Registry(database, tmp_path / "judges")


@pytest.fixture
def stage(tmp_path: Path, make_version: Callable[..., JudgeVersion]) -> Callable[..., tuple[Path, JudgeVersion]]:
    """A finished folder, as a training leaves it, and its version."""
    numbers = count()

    def make(*, name: str = "advice", seed: int = 0) -> tuple[Path, JudgeVersion]:
        folder = tmp_path / f"staged-{next(numbers)}"
        (folder / "tokenizer").mkdir(parents=True)
        (folder / "head.safetensors").write_bytes(bytes([seed]) * 100)
        (folder / "tokenizer" / "tokenizer.json").write_text("{}")
        return folder, make_version(folder, name=name, seed=seed)

    return make


@pytest.fixture
def added(registry: Registry, stage: Callable[..., tuple[Path, JudgeVersion]]) -> Callable[..., str]:
    """Add a version; its id."""

    def add(**choices: object) -> str:
        return registry.add(*stage(**choices))

    return add


@pytest.fixture
def decide(registry: Registry) -> Callable[..., None]:
    """Record what two gates said of a version."""

    def record(judge: str, *, passed: bool = True, report: str = "a") -> None:
        fine = Gate(name="rows", required="≥ 100", measured=120, low=None, high=None, passed=True, why="")
        why = "" if passed else "F1 0.71 is not above the baseline's 0.74"
        beats = Gate(name="beats-baseline", required="> 0", measured=0.1, low=0.0, high=0.2, passed=passed, why=why)
        decision = GateDecision(judge=judge, dataset="advice-data-00000000", gates=(fine, beats))
        registry.record_gates(decision, report * 64)

    return record


@pytest.fixture
def releases(
    registry: Registry, added: Callable[..., str], decide: Callable[..., None]
) -> Callable[[int], tuple[str, ...]]:
    """Versions that were champion one after the other; their ids."""

    def make(number: int) -> tuple[str, ...]:
        ids = tuple(added(seed=seed) for seed in range(number))
        for judge in ids:
            decide(judge)
            registry.promote(judge, by="mia", reason=f"release of {judge}")
        return ids

    return make
