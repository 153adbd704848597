"""A bank's server for tests: real HTTP over a real database; its judges answer by rules, in the place of small models.

`advice` judges what is answered and is acted on with block, `injection` what users say, `tone` is acted on with flag.
"""

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from assay.api import Workspace
from assay.client import Client
from assay.config import read_settings
from assay.judging.rule_file import Rule, RuleFile
from assay.judging.rules import RuleJudge
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.gate import Gate, GateDecision
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Verdict
from assay.server.app import server_app
from assay.server.running import serving_of

os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"  # it would be sent to OpenAI; read when the SDK is first imported
SETTINGS = '[serving.judges.advice]\naction = "block"\n[serving.judges.injection]\naction = "block"\n'
READS = {"advice": ("input", "output"), "injection": ("input",), "tone": ("output",)}
RULES = RuleFile(
    name="bank",
    rules=(
        Rule(label="yes", keywords=("buy", "sell", "ignore your instructions")),
        Rule(label="no", min_chars=3),  # of less it knows nothing, and abstains
    ),
)


class RuledJudge:
    """A judge of a server that answers by rules."""

    def __init__(self, version: JudgeVersion, folder: Path) -> None:
        self.version, self.folder = version, folder
        self._rules = RuleJudge(RULES, version.criterion)

    @property
    def id(self) -> str:
        return self.version.id

    @property
    def criterion(self) -> Criterion:
        return self.version.criterion

    async def judge_async(self, example: Example, **_: Any) -> Verdict:
        return replace(self._rules.judge(example), judge=self.id, route="judge")


@dataclass(frozen=True, kw_only=True)
class Bank:
    """The server and its workspace."""

    url: str
    root: Path

    def verdicts(self, **query: Any) -> tuple[Any, ...]:
        """The verdicts that it gave, newest first."""
        with Client(self.url) as client:
            return client.verdicts(**query)

    def judged(self) -> list[dict[str, Any]]:
        """What was judged, oldest first: the fields that hold text."""
        with Client(self.url) as client:
            examples = [client.verdict(one.id).example for one in reversed(client.verdicts())]
        fields = ("input", "output", "context", "turns")
        return [{name: one[name] for name in fields if one and one[name]} for one in examples]


@pytest.fixture(scope="session")
def workspaces_made() -> dict[str, Path]:
    """The bank's workspace, once it was made: a copy of it takes less time than a new one."""
    return {}


@pytest.fixture
def bank_workspace(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    workspaces_made: dict[str, Path],
    make_version: Callable[..., JudgeVersion],
) -> Path:
    """A workspace with the three judges, all of them champions."""
    if "bank" not in workspaces_made:
        root = tmp_path_factory.mktemp("bank")
        (root / "assay.toml").write_text(SETTINGS)
        for name, reads in READS.items():
            version = make_version(name=name)
            _promoted(root, replace(version, criterion=replace(version.criterion, reads=reads)))
        workspaces_made["bank"] = root
    return shutil.copytree(workspaces_made["bank"], tmp_path / "bank")


def _promoted(root: Path, version: JudgeVersion) -> None:
    staged = root / "staged"
    staged.mkdir()
    with Workspace.open(root) as here:
        here.registry.add(staged, version)
        gate = Gate(name="g", required="r", measured=1.0, low=1.0, high=1.0, passed=True, why="fine")
        here.registry.record_gates(GateDecision(judge=version.id, dataset="d", gates=(gate,)), "0" * 64)
        here.promote(version.id, reason="test")


@pytest.fixture
def bank(bank_workspace: Path) -> Iterator[Bank]:
    """The server of the bank."""
    settings = read_settings(bank_workspace)
    with socket.socket() as listening, serving_of(settings, small=RuledJudge, open_access=True) as serving:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(server_app(serving), log_level="error"))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with Client(url, retries=20) as client:
            assert not client.judges().problems
        yield Bank(url=url, root=bank_workspace)
        server.should_exit = True
        running.join()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens: its port is taken, so that nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


class _Answers(BaseHTTPRequestHandler):
    """POST /chat/completions of OpenAI's API: always the same answer."""

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        message = {"role": "assistant", "content": self.server.answer}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        body = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        sent = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def llm() -> Iterator[ThreadingHTTPServer]:
    """A server with a language model that always gives `llm.answer`; `llm.asked` is what it was asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.answer, server.asked = "That depends on you.", []
        running = threading.Thread(target=server.serve_forever)
        running.start()
        yield server
        server.shutdown()
        running.join()
