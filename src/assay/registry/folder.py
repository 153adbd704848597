"""A judge's folder: `judge.json` (the recipe and its digest) beside the files that the recipe lists by SHA-256.

`verify(folder)` trusts nothing: neither the name of the folder nor what lies in it. What is written after a version
was made (report, card, record of the training) may lie beside, under the names in UNLISTED_FILES, and is not part of
the version.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from assay.schema.errors import InputError, IntegrityError, NotFoundError, shown
from assay.schema.ids import digest_file, new_id, short
from assay.schema.judge_version import JudgeVersion
from assay.schema.records import record_from, to_jsonable
from assay.store.blobs import sync_folder

JUDGE_FILE = "judge.json"
UNLISTED_FILES = frozenset(
    {
        JUDGE_FILE,
        "report.json",
        "card.html",
        "training.json",
        "gates.json",
        "verdicts.jsonl",
        "verdicts.parquet",
    }
)
PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})

_ID = re.compile(r"[A-Za-z0-9_]+-[0-9a-f]{8}")
_RECIPE_PARTS = {"id", "digest", "recipe"}
_SHOWN_PROBLEMS = 5


def write_judge_file(folder: Path, version: JudgeVersion) -> None:
    """Write `judge.json` into a folder, whole or not at all."""
    values = {"id": version.id, "digest": version.digest, "recipe": to_jsonable(version)}
    arriving = folder / new_id(".arriving")
    with arriving.open("x", encoding="utf-8") as file:
        json.dump(values, file, indent=2, ensure_ascii=True, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    arriving.replace(folder / JUDGE_FILE)


def verify(folder: Path) -> JudgeVersion:
    """Check a judge folder against its own digests. Returns its version.

    Raises NotFoundError when there is no folder, IntegrityError saying what is damaged: `judge.json` unreadable or
    changed, the folder named after another version, a file missing, changed, unlisted, linked, or of a kind that can
    run code when it is loaded.
    """
    if not folder.is_dir():
        raise NotFoundError(f"There is no judge folder {shown(str(folder), 200)}.", next_step="check the path")
    version = _read_judge_file(folder)
    if _ID.fullmatch(folder.name) and folder.name != version.id:
        raise _damaged(folder, [f"it is named {folder.name} and holds {version.id}"])
    problems = list(_problems(folder, version))
    if problems:
        raise _damaged(folder, problems)
    return version


def move_in(staged: Path, target: Path) -> None:
    """Move a folder to its place, atomically, also from another file system. One that is there already stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _rename(staged, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_in(staged, target)
        shutil.rmtree(staged)


def copy_in(source: Path, target: Path) -> None:
    """Copy a folder to its place, atomically; the copy is verified before it appears. One that is there stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    arriving = target.parent / new_id(".arriving")
    try:
        shutil.copytree(source, arriving, symlinks=True)
        verify(arriving)
        _rename(arriving, target)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process was first with the same version
            raise
    sync_folder(target.parent)


def _read_judge_file(folder: Path) -> JudgeVersion:
    try:
        values = json.loads((folder / JUDGE_FILE).read_text(encoding="utf-8"))
        if not isinstance(values, dict) or set(values) != _RECIPE_PARTS or not isinstance(values["recipe"], dict):
            raise _damaged(folder, [f"{JUDGE_FILE} is not a judge's recipe"])
        version = record_from(JudgeVersion, values["recipe"], where=str(folder / JUDGE_FILE))
    except FileNotFoundError:
        raise _damaged(folder, [f"{JUDGE_FILE} is missing"]) from None
    except (ValueError, RecursionError, OSError):
        raise _damaged(folder, [f"{JUDGE_FILE} is not JSON"]) from None
    except InputError as error:
        raise _damaged(folder, [f"{JUDGE_FILE} is not a valid recipe ({error.required})"]) from None
    if (values["id"], values["digest"]) != (version.id, version.digest):
        raise _damaged(folder, [f"{JUDGE_FILE} was changed: its recipe has the digest {short(version.digest)}…"])
    return version


def _problems(folder: Path, version: JudgeVersion) -> Iterator[str]:
    present = {path.relative_to(folder).as_posix(): path for path in _entries(folder)}
    for name, path in sorted(present.items()):
        if path.is_symlink() or not path.is_file():
            yield f"{shown(name)} is not a plain file"
        elif path.suffix.lower() in PICKLE_SUFFIXES:
            yield f"{shown(name)} is of a kind that can run code when it is loaded"
        elif name not in version.files and name not in UNLISTED_FILES:
            yield f"{shown(name)} does not belong to this version"
        elif name in version.files and digest_file(path) != version.files[name]:
            yield f"{shown(name)} was changed"
    yield from (f"{shown(name)} is missing" for name in sorted(version.files.keys() - present.keys()))


def _entries(folder: Path) -> Iterator[Path]:
    """Everything below the folder but real folders; links are not followed."""
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in files)
        yield from (Path(parent, name) for name in folders if Path(parent, name).is_symlink())


def _damaged(folder: Path, problems: list[str]) -> IntegrityError:
    more = len(problems) - _SHOWN_PROBLEMS
    listed = "; ".join(problems[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
    return IntegrityError(
        f"The judge folder {shown(str(folder), 200)} is damaged: {listed}.",
        required="every file of the version with its digest, nothing else but reports, no pickle",
        next_step="delete the folder and copy it again from where it was made, or train again with the same command",
    )
