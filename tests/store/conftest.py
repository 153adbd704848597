"""Shared by the tests of the store."""

import sys
from collections.abc import Callable
from subprocess import PIPE, Popen
from typing import Any

import pytest

from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.label import Label
from assay.schema.verdict import AWAITING_PERSON, BY_PEOPLE, Abstained
from assay.store import criteria, verdicts
from assay.store.database import Database
from assay.store.imports import ImportRecord
from assay.store.verdicts import GivenVerdict


@pytest.fixture
def make_example() -> Callable[..., Example]:
    def make(number: int = 0, **changes: object) -> Example:
        return Example(**{"id": f"e{number:06}", "output": f"answer {number}", **changes})

    return make


@pytest.fixture
def make_label() -> Callable[..., Label]:
    def make(number: int = 0, value: str = "yes", **changes: object) -> Label:
        given = {"labeller": "mia", "source": "author", "criterion": "advice/1"}
        return Label(**{"example_id": f"e{number:06}", "value": value, **given, **changes})

    return make


@pytest.fixture
def ready(database: Database, make_criterion: Callable[..., Criterion]) -> Database:
    """The database with the criterion advice/1."""
    with database.begin() as connection:
        criteria.record(connection, make_criterion())
    return database


@pytest.fixture
def import_record() -> ImportRecord:
    return ImportRecord(
        id="im_1",
        file_name="rows.jsonl",
        file_digest="a" * 64,
        criterion_key="advice/1",
        counts={"rows": 2},
        set_aside=None,
        created_at="2026-01-01T00:00:00.000000+00:00",
    )


@pytest.fixture
def escalated_row(make_example: Callable[..., Example]) -> Callable[..., dict[str, Any]]:
    """The row of a verdict that went to people, on the example of a number; each number a day after the one before."""

    def make(number: int, output: str | None = None, at: str | None = None, **changes: object) -> dict[str, Any]:
        said = Abstained(
            reason="unsure",
            probabilities={"yes": 0.5, "no": 0.5},
            scores={},
            judge="advice-0",
            latency_ms=1.0,
            route=BY_PEOPLE,
            reason_code=AWAITING_PERSON,
        )
        given = GivenVerdict(
            id=f"vd_{number}",
            request_id="r",
            name="advice",
            criterion="advice/1",
            role="champion",
            verdict=said,
            action="flag",
            service_ms=1.0,
            created_at=at or f"2026-01-0{number + 1}T00:00:00.000000+00:00",
        )
        example = make_example(number, output=output or f"answer {number}")
        return {**verdicts.columns(given, example), **changes}

    return make


@pytest.fixture
def start() -> Callable[..., Popen[str]]:
    """Start a Python script in a process of its own; what is printed and typed goes through pipes."""

    def run(script: str, *arguments: str) -> Popen[str]:
        command = [sys.executable, "-c", script, *arguments]
        return Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)

    return run
