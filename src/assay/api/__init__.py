"""The Python API: a workspace and a loaded judge.

    with Workspace.open() as here:
        here.import_data(Path("labelled.jsonl"), here.criterion("advice"))

    load("advice@champion").judge(input="…", output="…")

The command line calls these methods one to one. Training, evaluating and judging need the `models` extra; everything
else runs without torch.
"""

from assay.api.loading import load
from assay.api.workspace import Workspace

__all__ = ["Workspace", "load"]
