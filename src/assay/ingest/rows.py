"""The rows of a file or of standard input, in constant memory.

`read_rows(Path("in.jsonl"), None)` yields `Row(number, values)` or `MalformedRow(number, reason, raw)`. JSONL and CSV
may be gzipped. Whatever makes the whole file unusable (no such file, a folder, an unknown suffix, damaged bytes) is an
AssayError, raised by the call itself where the first bytes tell. Knows nothing of labels, criteria or examples.
"""

import contextlib
import gzip
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, cast, get_args

from assay.ingest.csv_rows import count_csv, read_csv
from assay.ingest.jsonl import numbered_lines, read_jsonl
from assay.ingest.parquet_rows import open_parquet, read_parquet
from assay.ingest.row import ReadRow
from assay.schema.errors import InputError, IntegrityError, NotFoundError, shown

Format: TypeAlias = Literal["jsonl", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_GZIP_MARK = b"\x1f\x8b"


def read_rows(path: Path | None, format: Format | None = None) -> Iterator[ReadRow]:  # noqa: A002 - the word users write
    """Rows of a file; of standard input when `path` is None.

    `format` None tells it from the suffix; standard input has none, so there it must be given. Raises at once
    NotFoundError, InputError: the file is not there or not of a known format; while reading IntegrityError, InputError:
    it turns out to be damaged.
    """
    known = format_of(path, format)
    if known == "parquet":
        return read_parquet(open_parquet(_existing(path)))
    stream = _open(path)
    with _damage_named(path):
        rows = read_jsonl(stream) if known == "jsonl" else read_csv(stream)
    return _guarded(rows, stream, path)


def row_count(path: Path | None, format: Format | None = None) -> int | None:  # noqa: A002 - the word users write
    """How many rows `read_rows` will yield; None for standard input. One fast pass over JSONL and CSV, the footer alone
    of Parquet.
    """
    known = format_of(path, format)
    if path is None:
        return None
    if known == "parquet":
        return int(open_parquet(_existing(path)).metadata.num_rows)
    with _open(path) as stream, _damage_named(path):
        return sum(1 for _ in numbered_lines(stream)) if known == "jsonl" else count_csv(stream)


def format_of(path: Path | None, format: Format | None = None) -> Format:  # noqa: A002 - the word users write
    """The format as given or told from the suffix. Raises InputError."""
    if format is not None and format not in FORMATS:
        raise InputError("An unknown format.", required=f"one of {list(FORMATS)}", got=shown(format))
    if path is None and format in (None, "parquet"):
        raise InputError(
            "Standard input has no suffix to tell its format, and Parquet cannot be streamed.",
            required="the format jsonl or csv",
            got=shown(format),
            next_step="give --format jsonl",
        )
    if format is not None:
        return format
    suffixes = [suffix.lower() for suffix in cast(Path, path).suffixes]
    zipped = suffixes[-1:] == [".gz"]
    found = SUFFIXES.get("".join(suffixes[-2:-1] if zipped else suffixes[-1:]))
    if found is None or (zipped and found == "parquet"):
        raise InputError(
            f"The suffix of {shown(str(path))} does not tell a known format.",
            required=f"{', '.join(SUFFIXES)}; .gz after the first three",
            got=shown("".join(suffixes)),
            next_step="rename the file, or give --format",
        )
    return found


def _existing(path: Path | None) -> Path:
    if path is None or not path.exists():
        raise NotFoundError(f"There is no file {shown(str(path))}.", next_step="check the path")
    if not path.is_file():
        raise InputError("Rows are read from one file.", required="a file", got=f"the folder {shown(str(path))}")
    return path


def _open(path: Path | None) -> BinaryIO:
    if path is None:
        return sys.stdin.buffer
    try:
        raw = _existing(path).open("rb")
    except PermissionError:
        raise InputError(f"{shown(str(path))} may not be read.", next_step="check the file's permissions") from None
    start = raw.peek(len(_GZIP_MARK))[: len(_GZIP_MARK)]
    if start in _UTF16_MARKS:
        raw.close()
        raise InputError("The file is in UTF-16.", required="UTF-8", next_step=f"convert {shown(str(path))} to UTF-8")
    if path.suffix.lower() == ".gz" or start == _GZIP_MARK:
        if start != _GZIP_MARK:
            raw.close()
            raise InputError(
                f"{shown(str(path))} is not gzipped.", required="gzip behind a .gz suffix", got=shown(start)
            )
        raw.close()
        return cast(BinaryIO, gzip.open(path, "rb"))
    return raw


def _guarded(rows: Iterator[ReadRow], stream: BinaryIO, path: Path | None) -> Iterator[ReadRow]:
    with contextlib.nullcontext() if path is None else contextlib.closing(stream), _damage_named(path):
        yield from rows


@contextlib.contextmanager
def _damage_named(path: Path | None) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise IntegrityError(
            f"{shown(str(path))} is damaged.", required="a whole gzip file", got=str(error), next_step="copy it again"
        ) from None
