"""Process: this serving process among others: its name, the lock that shows it is alive, its files.

    with serving_process(folder) as here:
        here.name, here.journal, here.dead()

The operating system frees the lock when the process ends, however it ends. So whoever starts next can tell which of
the names it finds in leases belong to the dead, and take over what they left. Locks show only processes that see this
folder; on another machine a lease has to run out.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.schema.errors import AssayError
from assay.schema.ids import new_id

_LOCK = ".lock"
_STARTING = ".starting"  # a lock that is not held yet: nobody may take it for that of a dead process
_JOURNAL = ".jsonl"


@dataclass(frozen=True, kw_only=True)
class ServingProcess:
    """A process that serves from this folder."""

    name: str
    folder: Path

    @property
    def journal(self) -> Path:
        """Where its verdicts wait until the database has them."""
        return self.folder / f"{self.name}{_JOURNAL}"

    def dead(self) -> Iterator[tuple[str, Path]]:
        """Names and journals of processes that are gone. Each is held while it is dealt with, then forgotten."""
        for lock in sorted(self.folder.glob(f"*{_LOCK}")):
            name = lock.name.removesuffix(_LOCK)
            if name == self.name:
                continue
            with lock.open("a") as file:
                if not _locked(file.fileno()):
                    continue
                yield name, self.folder / f"{name}{_JOURNAL}"
                lock.unlink(missing_ok=True)


@contextmanager
def serving_process(folder: Path) -> Iterator[ServingProcess]:
    """Be a serving process under a new name until the end of the block. Raises AssayError (a folder without locks)."""
    folder.mkdir(parents=True, exist_ok=True)
    here = ServingProcess(name=new_id("server"), folder=folder)
    lock = folder / f"{here.name}{_LOCK}"
    starting = folder / f".{here.name}{_STARTING}"
    with starting.open("x") as file:
        if not _locked(file.fileno()):
            starting.unlink()
            raise AssayError(
                "This server cannot lock a file in its folder, so others could not tell that it is alive.",
                got=str(folder),
                next_step="put the workspace on a file system with locks",
            )
        starting.rename(lock)
        try:
            yield here
        finally:
            if not here.journal.exists():  # else whoever comes next takes it over
                lock.unlink(missing_ok=True)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    os.set_inheritable(descriptor, False)
    return True
