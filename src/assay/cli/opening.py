"""Opening a workspace from a command."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.api import Workspace


def open_workspace(directory: Path | None) -> "Workspace":
    """The workspace in this folder, or around the current one."""
    # Here and in every command, imports of what is heavy stand inside: SQL, SciPy and torch take one to seven seconds,
    # and `assay --help` must answer at once.
    from assay.api import Workspace  # noqa: PLC0415

    return Workspace.open(directory)
