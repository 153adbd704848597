"""SoleWriter: one process writes one output.

A lock of the operating system on a small file beside the output: it is let go when the process dies, however it dies.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from assay.schema.errors import ConflictError, shown

try:
    import fcntl
except ImportError:  # Windows has none: there nothing keeps a second run out
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def sole_writer(lock: Path, output: Path) -> Iterator[None]:
    """Hold `lock` while `output` is written; the file is gone afterwards. Raises ConflictError."""
    descriptor = _locked(lock, output)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(lock: Path, output: Path) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and os.path.samestat(lock.stat(), os.fstat(descriptor)):
                return descriptor
        except FileNotFoundError:  # its holder removed it in this moment
            pass
        except BlockingIOError:
            os.close(descriptor)
            raise ConflictError(
                f"Another process is writing {shown(str(output))}.", next_step="wait for it, or give another output"
            ) from None
        os.close(descriptor)
