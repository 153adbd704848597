"""Shared by the tests of the store."""

import sys
from collections.abc import Callable
from subprocess import PIPE, Popen

import pytest

from assay.schema.example import Example
from assay.schema.label import Label


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
def start() -> Callable[..., Popen[str]]:
    """Start a Python script in a process of its own; what is printed and typed goes through pipes."""

    def run(script: str, *arguments: str) -> Popen[str]:
        command = [sys.executable, "-c", script, *arguments]
        return Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)

    return run
