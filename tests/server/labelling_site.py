"""A workspace with a queue, its labelling page in a process of its own, and a browser to use it with."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from assay.api import Workspace
from assay.api.starting import start_workspace
from assay.ingest.mapping import FieldMapping
from assay.labelling.queues import QueuePlan
from assay.store import examples

CRITERION = """
name = "advice"
version = "1"
question = "Is it advice?"
reads = ["turns", "input", "output"]
[scale]
kind = "binary"
positive = "yes"
[[scale.levels]]
label = "no"
guidance = "It only explains."
[[scale.levels]]
label = "yes"
guidance = "It tells what to do."
"""
HOSTILE = "<img src=x onerror='document.title=1'><script>document.title=1</script> 🙂 end"


@dataclass
class Site:
    """A workspace and its page; `start` and `kill` as often as one likes, always at the same port."""

    root: Path
    secrets: dict[str, str] = field(default_factory=dict)
    address: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        port = self.address.split(":")[2].split("/")[0] if self.address else "0"
        command = [sys.executable, "-c", "from assay.cli.app import main; main()", "label", "serve", "--port", port]
        self.process = subprocess.Popen([*command, "--json"], cwd=self.root, stdout=subprocess.PIPE, text=True)
        self.address = json.loads(self.process.stdout.readline())["address"]

    def kill(self) -> None:
        """As a power cut would: no farewell."""
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process.stdout.close()
            self.process = None

    def labels(self) -> dict[tuple[str, str], str]:
        """What is in the table of labels: (example, labeller) → value."""
        with Workspace.open(self.root) as here, here.labelling.database.read() as connection:
            rows = list(examples.iter_labelled(connection, "advice/1"))
        return {(example.id, label.labeller): label.value for example, given in rows for label in given}


def make_site(root: Path, *, size: int = 6, overlap_share: float = 0.0) -> Site:
    start_workspace(root, "advice")
    (root / "criteria" / "advice.toml").write_text(CRITERION)
    rows = [
        {
            "id": f"e{number}",
            "turns": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "what is it?"}],
            "input": f"question {number}",
            "output": f"answer {number} {HOSTILE}",
            "meta": {"verdict": "SECRETLY yes"},
        }
        for number in range(size)
    ]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Workspace.open(root) as here:
        criterion = here.criterion("advice")
        here.import_data(root / "rows.jsonl", criterion, FieldMapping())
        plan = QueuePlan(budget=size, overlap_share=overlap_share)
        here.labelling.make(criterion, plan)
        secrets = {
            name: here.labelling.add_labeller(name, adjudicates=name == "lead")[1] for name in ("mia", "ada", "lead")
        }
    return Site(root=root, secrets=secrets)
