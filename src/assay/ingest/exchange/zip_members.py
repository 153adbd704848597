"""Members of a zip file, bounded: no path is followed, nothing is written, and no member may swell without limit.

`with open_members(path) as members: members.read("header.json")`. Stored, deflated and zstd members. Knows no format.
"""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow

from assay.schema.errors import InputError, IntegrityError, NotFoundError, shown

MAX_MEMBER_BYTES = 256 << 20
MAX_MEMBERS = 200_000
MAX_RATIO = 1_000  # deflate's own limit is 1,032; text of one letter reaches it, logs stay far below
_ZSTD = 93  # Python reads it from 3.14 on; pyarrow does so everywhere
_LOCAL_HEADER_BYTES = 30


@dataclass(frozen=True, kw_only=True)
class Members:
    """An open zip file."""

    name: str
    archive: zipfile.ZipFile

    def names(self) -> list[str]:
        """The members' names, in the file's order."""
        return self.archive.namelist()

    def read(self, member: str) -> bytes:
        """A member's bytes. Raises InputError (too large, an unknown compression), IntegrityError (damaged)."""
        info = self.archive.getinfo(member)
        if info.file_size > MAX_MEMBER_BYTES or info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise InputError(
                f"{member!r} in {self.name} would swell beyond what is read.",
                required=f"at most {MAX_MEMBER_BYTES:,} bytes, and at most {MAX_RATIO:,} times its size in the file",
                got=f"{info.file_size:,} bytes from {info.compress_size:,}",
            )
        try:
            data = _unzstd(self.archive, info) if info.compress_type == _ZSTD else self.archive.read(info)
        except (RuntimeError, lzma.LZMAError) as error:  # encrypted, or of a compression that Python does not know
            raise InputError(f"{member!r} in {self.name} cannot be unpacked.", got=str(error)) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, pyarrow.ArrowException, ValueError) as error:
            raise IntegrityError(
                f"{member!r} in {self.name} is damaged.", got=str(error), next_step="copy the file again"
            ) from None
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise IntegrityError(f"{member!r} in {self.name} is not what the file says.", next_step="copy it again")
        return data


@contextmanager
def open_members(path: Path) -> Iterator[Members]:
    """An open zip file. Raises NotFoundError, InputError (no zip, too many members)."""
    if not path.is_file():
        raise NotFoundError(f"There is no file {shown(str(path))}.", next_step="check the path")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"{path.name} is not a whole zip file.", got=str(error), next_step="copy it again") from None
    with archive:
        if len(archive.filelist) > MAX_MEMBERS:
            raise InputError(
                f"{path.name} has too many members.",
                required=f"at most {MAX_MEMBERS:,}",
                got=f"{len(archive.filelist):,}",
            )
        yield Members(name=path.name, archive=archive)


def _unzstd(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    file = archive.fp
    if file is None:
        raise ValueError("the file is closed")
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER_BYTES)
    name_and_extra = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    file.seek(name_and_extra, 1)
    packed = pyarrow.py_buffer(file.read(info.compress_size))
    with pyarrow.input_stream(packed, compression="zstd") as stream:
        return bytes(stream.read(info.file_size + 1))
