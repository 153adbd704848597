"""Children: a version made of another by changing its recipe, with the same weights.

`add_child(registry, parent, changes, staging)` copies what belongs to the parent, adds files, and takes the child in
through the same door as a trained judge. Report, gates and card stay behind: a child is measured anew.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.registry.registry import Registry, Resolved
from assay.schema.ids import digest_files, new_id, utc_now
from assay.schema.judge_version import JudgeVersion

_RECORD_OF_TRAINING = "training.json"


def add_child(
    registry: Registry,
    parent: Resolved,
    changes: Mapping[str, Any],
    staging: Path,
    files: Mapping[str, Path | None] | None = None,
) -> JudgeVersion:
    """A stored version that differs from its parent in `changes`.

    Args: `changes`, fields of JudgeVersion; `staging`, a folder on the same disk to make it in; `files`, by name in the
    judge's folder, the file to copy there, None to leave the parent's out. Raises as `Registry.add`.
    """
    staged = staging / new_id("child")
    staged.mkdir(parents=True)
    try:
        sources: dict[str, Path | None] = {name: parent.folder / name for name in parent.version.files}
        sources.update(files or {})
        kept = {name: path for name, path in sources.items() if path is not None}
        for name, path in kept.items():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, staged / name)
        digests = digest_files({name: staged / name for name in kept})
        record = parent.folder / _RECORD_OF_TRAINING
        if record.is_file():
            shutil.copyfile(record, staged / _RECORD_OF_TRAINING)
        told = {"files": digests, "parent": parent.version.id, "created_at": utc_now()}
        child = replace(parent.version, **{**changes, **told})
        registry.add(staged, child)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return child
