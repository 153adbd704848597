"""BatchPlan: what `judge_file` is going to do, decided and checked before anything is written."""

import contextlib
import gzip
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from assay.ingest.mapping import meant
from assay.ingest.row import ReadRow, Row
from assay.ingest.rows import Format, format_of
from assay.judging.judge import Judge
from assay.schema.errors import InputError, NotFoundError, shown
from assay.schema.verdict import Verdict
from assay.serving.batch.csv_output import spooled_columns, write_csv
from assay.serving.batch.judgeable import Judgeable, Preparation
from assay.serving.batch.judged_rows import delivered_line, spooled_line, verdict_columns
from assay.serving.batch.opened_rows import open_rows
from assay.serving.batch.parquet_output import write_parquet, write_parquet_beside
from assay.serving.batch.settings import BatchSettings


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """One run: formats known, rows opened. `columns` are those carried of a header; empty for JSONL."""

    source: Path | None
    settings: BatchSettings
    format_in: Format
    format_out: Format
    columns: tuple[str, ...]
    rows: Iterator[ReadRow]
    preparation: Preparation

    @property
    def field(self) -> str:
        """The name of the verdict in the output."""
        return self.settings.verdict_field

    @property
    def is_parquet_kept(self) -> bool:
        """Whether the carried columns are taken from the Parquet input at the end."""
        return self.format_in == self.format_out == "parquet"

    def line(self, row: Judgeable, verdict: Verdict) -> bytes:
        """A judged row as a line of the growing output."""
        return delivered_line(row, verdict, self.field) if self.format_out == "jsonl" else spooled_line(row, verdict)

    def deliver(self, part: Path, ready: Path, *, zipped: bool) -> None:
        """Make the finished output out of the lines."""
        if self.format_out == "parquet":
            self._deliver_parquet(part, ready)
            return
        with contextlib.ExitStack() as files:
            target: BinaryIO = files.enter_context(ready.open("wb"))
            if zipped:  # without name and time, so that equal rows give equal bytes
                made = gzip.GzipFile(filename="", fileobj=target, mode="wb", mtime=0)
                target = cast(BinaryIO, files.enter_context(made))
            self.deliver_text(part, target)

    def deliver_text(self, part: Path, target: BinaryIO) -> None:
        """Write the finished output, JSONL or CSV, to a stream."""
        if self.format_out == "csv":
            write_csv(part, target, self.columns or spooled_columns(part), self.field)
        else:
            with part.open("rb") as lines:
                shutil.copyfileobj(lines, target)

    def _deliver_parquet(self, part: Path, ready: Path) -> None:
        if self.is_parquet_kept and self.source is not None:
            write_parquet_beside(part, ready, self.source, self.columns, self.field)
        else:
            write_parquet(part, ready, self.columns, self.field)


def plan_of(judge: Judge, source: Path | None, destination: Path | None, settings: BatchSettings) -> BatchPlan:
    """Decide formats, open the rows, check names. Raises NotFoundError, InputError."""
    format_in = format_of(source, settings.format_in)
    format_out = output_format(destination, settings.format_out, format_in)
    if destination is not None:
        _check_destination(source, destination)
    opened = open_rows(source, format_in)
    columns = _carried_columns(opened.columns, settings.carry)
    taken = frozenset(_verdict_names(settings.verdict_field, format_out))
    first = next(opened.rows, None)
    own = first.values if isinstance(first, Row) else {}
    _refuse_taken(taken & {name for name in (*columns, *own) if settings.carry is None or name in settings.carry})
    keeps_parquet = format_in == format_out == "parquet"
    carry = frozenset() if keeps_parquet else None if settings.carry is None else frozenset(settings.carry)
    return BatchPlan(
        source=source,
        settings=settings,
        format_in=format_in,
        format_out=format_out,
        columns=columns,
        rows=itertools.chain([] if first is None else [first], opened.rows),
        preparation=Preparation(criterion=judge.criterion, mapping=settings.mapping, carry=carry, taken=taken),
    )


def is_zipped(path: Path) -> bool:
    """Whether the suffix says gzip."""
    return path.suffix.lower() == ".gz"


def output_format(destination: Path | None, given: Format | None, format_in: Format) -> Format:
    """The format as given or told from the suffix; on standard output that of the input. Raises InputError."""
    if destination is None:
        known = given or ("jsonl" if format_in == "parquet" else format_in)
        if known == "parquet":
            raise InputError(
                "Parquet cannot be written to standard output.", required="jsonl or csv", next_step="give -o FILE"
            )
        return known
    try:
        return format_of(destination, given)
    except InputError as error:
        raise InputError(
            error.problem, required=error.required, got=error.got, next_step="rename the output, or give --out-format"
        ) from None


def _verdict_names(field: str, format_out: Format) -> tuple[str, ...]:
    return (field,) if format_out == "jsonl" else verdict_columns(field)


def _refuse_taken(names: frozenset[str]) -> None:
    if names:
        raise InputError(
            f"The verdict cannot stand in the input's own {sorted(names)}.",
            next_step="give it another name (--verdict-field)",
        )


def _check_destination(source: Path | None, destination: Path) -> None:
    if not destination.parent.is_dir():
        raise NotFoundError(
            f"There is no folder {shown(str(destination.parent))} for the output.",
            next_step="make it, or check the path",
        )
    if destination.exists() and not destination.is_file():
        raise InputError("The output is one file.", required="a file", got=shown(str(destination)))
    if source is not None and source.exists() and destination.exists() and source.samefile(destination):
        raise InputError("The output is the input itself.", required="two files", got=shown(str(destination)))


def _carried_columns(header: tuple[str, ...], carry: tuple[str, ...] | None) -> tuple[str, ...]:
    for name in carry or ():
        if header and name not in header:
            raise InputError(f"The input has no column {shown(name)} to carry along.", required=meant(name, header))
    return header if carry is None else tuple(name for name in header if name in carry)
