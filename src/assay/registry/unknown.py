"""What the registry says of a reference that points at nothing: what there is, and what was probably meant."""

from collections.abc import Mapping, Sequence

from assay.registry.refs import CHAMPION, Ref, did_you_mean
from assay.schema.errors import NotFoundError

_SHOWN_NAMES = 10


def no_judge(name: str, names: Sequence[str]) -> NotFoundError:
    """There is no version of this name."""
    if not names:
        return NotFoundError(f"There is no judge {name!r}; there is none at all yet.", next_step="assay train")
    return NotFoundError(
        f"There is no judge {name!r}.",
        required=f"one of {_listed(names)}",
        next_step=did_you_mean(name, names) or "list the judges: assay list",
    )


def no_alias(name: str, alias: str, pointing: Mapping[str, str], newest: str) -> NotFoundError:
    """The name exists, the alias does not point at anything. `newest` is the id of its newest version."""
    there = [f"{name}@{other} ({version})" for other, version in sorted(pointing.items())]
    promote = f", or promote a version: assay promote {newest}" if alias == CHAMPION else ""
    return NotFoundError(
        f"{name} has no {alias}.",
        required=f"one of {_listed(there)}" if there else f"a version, such as {newest}",
        next_step=f"use {f'{name}@{next(iter(sorted(pointing)))}' if pointing else newest}{promote}",
    )


def no_version(ref: Ref, ids: Sequence[str]) -> NotFoundError:
    """The name exists, no version of it has this digest."""
    wanted = f"{ref.name}-{ref.digest}"
    return NotFoundError(
        f"There is no version {wanted!r}.",
        required=f"one of {_listed(ids)}",
        next_step=did_you_mean(wanted, ids) or f"list the versions: assay list {ref.name}",
    )


def _listed(names: Sequence[str]) -> str:
    """The last ten: versions come oldest first."""
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[-_SHOWN_NAMES:]) + (f" and {more} more" if more > 0 else "")
