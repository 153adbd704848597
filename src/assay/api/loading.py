"""Loading a judge to judge single examples with.

    judge = load("advice@champion")          # or load("./copied/advice-3f2a91c0"), from anywhere
    judge.judge(input="What should I do?", output="Buy the fund.")

Judging files is for `serving.batch`; both go through the same judge.
"""

import os
import re
from pathlib import Path

from assay.api.loaded_judge import LoadedJudge, loaded
from assay.api.workspace import Workspace
from assay.registry import verify

_PATH = re.compile(r"[/\\]")


def load(
    judge: str | os.PathLike[str],
    workspace: Workspace | str | os.PathLike[str] | None = None,
    *,
    backbone: str | os.PathLike[str] | None = None,
) -> LoadedJudge:
    """A judge by reference (`advice`, `advice@candidate`, `advice-3f2a91c0`) or by folder, verified.

    A text with a path separator, or a Path, is a folder: no workspace is needed then. A reference is looked up in
    `workspace`, by default the one around the current folder. `backbone` is the folder of its backbone, for a judge
    that was copied to another machine; other weights than its own are refused. Raises NotFoundError, InputError,
    IntegrityError, MissingExtraError.
    """
    place = None if backbone is None else Path(backbone)
    if not isinstance(judge, str) or _PATH.search(judge):
        folder = Path(judge)
        return loaded(verify(folder), folder, backbone=place)
    if isinstance(workspace, Workspace):
        return workspace.load(judge, backbone=place)
    with Workspace.open(None if workspace is None else Path(workspace)) as here:
        return here.load(judge, backbone=place)
