"""Starting a workspace: its settings file, a criterion to write on from, and the folder that git ignores."""

import os
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from assay.config import FILE_NAME
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown

STARTER_CRITERION = "example"


@dataclass(frozen=True, kw_only=True)
class Started:
    """What `start_workspace` did; paths are relative to `root`. What was there already is kept as it was."""

    root: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]


def start_workspace(root: Path, criterion: str = STARTER_CRITERION) -> Started:
    """Make a workspace in a folder, which may hold other things. Never overwrites. Raises InputError."""
    if root.exists() and not root.is_dir():
        raise InputError("A workspace is a folder.", required="a folder, or a path that is free", got=shown(str(root)))
    starter = files("assay") / "samples" / "starter"
    question = (starter / "criterion.toml").read_text(encoding="utf-8")
    Criterion.from_dict({**tomllib.loads(question), "name": criterion})  # a name that cannot be is refused first
    question = question.replace('"NAME"', f'"{criterion}"')
    contents = {
        FILE_NAME: (starter / "assay.toml").read_text(encoding="utf-8"),
        f"criteria/{criterion}.toml": question,
        ".assay/.gitignore": "*\n",  # inside, so that nobody's own .gitignore is touched
    }
    written = [name for name, text in contents.items() if write_new(root / name, text.encode())]
    return Started(root=root, written=tuple(written), kept=tuple(name for name in contents if name not in written))


def write_new(path: Path, data: bytes) -> bool:
    """Write a file that is not there yet, whole or not at all. Returns False when it is there already."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    try:
        os.link(partial, path)  # unlike a rename, a link refuses to replace what another process wrote meanwhile
    except FileExistsError:
        return False
    finally:
        partial.unlink()
    return True
