"""Blobs: files named by the SHA-256 of their content, in two levels of folders (`ab/cd/abcd…`).

A blob appears whole or not at all: it is written beside the others, synced, then renamed. Knows nothing of what is in
it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from assay.schema.errors import InputError, IntegrityError, NotFoundError, shown
from assay.schema.ids import digest_bytes, digest_file, new_id, short

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COPY_BYTES = 1 << 20


class Blobs:
    """The content-addressed files under `root`. Any number of processes may write at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_bytes(self, data: bytes) -> str:
        """Keep these bytes. Returns their digest."""
        digest = digest_bytes(data)
        if not self._is_intact(digest):
            with self._arriving() as file:
                file.write(data)
                self._place(file, digest)
        return digest

    def put_file(self, path: Path) -> str:
        """Keep a copy of this file. Returns its digest. Raises NotFoundError."""
        try:
            source = path.open("rb")
        except (FileNotFoundError, IsADirectoryError):
            raise NotFoundError(f"There is no file {shown(str(path))}.", next_step="check the path") from None
        with source, self._arriving() as file:
            shutil.copyfileobj(source, file, _COPY_BYTES)
            file.flush()
            digest = digest_file(Path(file.name))  # of the copy: the source may be changing
            if not self._is_intact(digest):
                self._place(file, digest)
        return digest

    def path(self, digest: str) -> Path:
        """Where the blob is or would be. Raises InputError when this is not a digest."""
        if not _DIGEST.fullmatch(digest):
            raise InputError("A blob is named by its SHA-256.", required="64 hexadecimal digits", got=shown(digest))
        return self.root / digest[:2] / digest[2:4] / digest

    def exists(self, digest: str) -> bool:
        """Whether the blob is there. Its bytes are not checked."""
        return self.path(digest).is_file()

    def read(self, digest: str) -> bytes:
        """The bytes of a blob. Raises NotFoundError, IntegrityError when they do not match the digest."""
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(
                f"Blob {short(digest)}… is not in {self.root}.",
                next_step="copy it from where it was made, or make it again",
            ) from None
        if digest_bytes(data) != digest:
            raise IntegrityError(
                f"Blob {short(digest)}… is damaged: {self.path(digest)}.",
                required="bytes with the digest that is its name",
                got=f"{len(data)} bytes with digest {short(digest_bytes(data))}…",
                next_step="delete the file, then make it again or copy it from where it was made",
            )
        return data

    def _is_intact(self, digest: str) -> bool:
        return self.exists(digest) and digest_file(self.path(digest)) == digest

    @contextmanager
    def _arriving(self) -> Iterator[IO[bytes]]:
        """A new file in the root, on the same file system as its place to be; deleted unless it was placed."""
        self.root.mkdir(parents=True, exist_ok=True)
        arriving = self.root / new_id(".arriving")
        try:
            with arriving.open("xb") as file:
                yield file
        finally:
            arriving.unlink(missing_ok=True)

    def _place(self, file: IO[bytes], digest: str) -> None:
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.flush()
        os.fsync(file.fileno())
        Path(file.name).replace(target)
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
