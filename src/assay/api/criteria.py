"""Criteria files: `criteria/<name>.toml` in a workspace."""

import difflib
from pathlib import Path

from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, NotFoundError, shown

_SHOWN_NAMES = 10


def read_criterion(folder: Path, name: str) -> Criterion:
    """The criterion in `<folder>/<name>.toml`. Raises NotFoundError (with a did-you-mean), InputError."""
    if name not in criterion_names(folder):
        raise _unknown(folder, name)
    path = folder / f"{name}.toml"
    criterion = Criterion.from_toml(path)
    if criterion.name != name:
        raise InputError(
            f"The criterion in {path.name} has another name than its file.",
            required=f"name = {name!r}",
            got=f"name = {shown(criterion.name)}",
            next_step="change the one or rename the other",
        )
    return criterion


def criterion_names(folder: Path) -> list[str]:
    """The names of the criteria files, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def _unknown(folder: Path, name: str) -> NotFoundError:
    names = criterion_names(folder)
    close = difflib.get_close_matches(name, names, n=1)
    listed = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
    return NotFoundError(
        f"There is no criterion {shown(name)}.",
        required=f"one of {listed}" if names else "a criterion file",
        got=f"no file {shown(f'{name}.toml')} in {folder}",
        next_step=f"did you mean {close[0]!r}?" if close else f"write one: assay init --criterion {_possible(name)}",
    )


def _possible(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").isalnum() else "NAME"
