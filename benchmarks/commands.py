"""Assay's command line, as the benchmarks call it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def assay(workspace: Path, *words: str) -> dict[str, Any]:
    """Run one command with --json. Exits with its message where it refuses."""
    command = [str(Path(sys.executable).with_name("assay")), *words, "--json"]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}\n{done.stderr[-2000:]}")
    values: dict[str, Any] = json.loads(done.stdout)
    return values
