"""The table of formats that are written, and writing one whole or not at all.

`write_export(rows, criterion, "label-studio", folder)`. JSONL is one file, the other formats are folders.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from assay.ingest.exporting import argilla, hf_dataset, label_studio
from assay.ingest.exporting.row import ExportRow, is_text, values_of
from assay.ingest.mapping import meant
from assay.schema.criterion import Criterion
from assay.schema.errors import ConflictError, InputError, NotFoundError, shown

ExportFormat: TypeAlias = Literal["jsonl", "label-studio", "argilla", "hf-dataset"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
Rows: TypeAlias = Callable[[], Iterator[ExportRow]]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written: a file, or a folder; how many rows; what the format has no place for, by name."""

    path: Path
    rows: int
    left_out: Counter[str]


def write_export(rows: Rows, criterion: Criterion, name: ExportFormat, path: Path) -> Written:
    """Write the rows, whole or not at all. `rows` may be called more than once.

    Raises InputError: an unknown format, no rows. ConflictError: a folder that is not empty.
    """
    if name not in EXPORT_FORMATS:
        raise InputError("An unknown format.", required=meant(name, EXPORT_FORMATS), got=shown(name))
    if name != "jsonl" and path.exists() and (path.is_file() or any(path.iterdir())):
        raise ConflictError(
            f"{shown(str(path))} is there already.",
            required=f"a new folder, or an empty one, for {name}",
            next_step="give another -o",
        )
    if name == "jsonl" and path.is_dir():
        raise InputError("JSONL is one file.", required="a file's name", got=f"the folder {shown(str(path))}")
    if not path.parent.is_dir():
        raise NotFoundError(f"There is no folder {shown(str(path.parent))}.", next_step="make it, or give another -o")
    counted = _Counted(rows=rows, keeps_parts=name == "jsonl")
    partial = path.with_name(f".{path.name}.part")
    _remove(partial)
    try:
        _write(counted, criterion, name, partial)
        if not counted.count:
            raise InputError(
                "There is nothing to export.",
                required="labelled examples",
                got=", ".join(f"{count:,} {what}" for what, count in counted.left_out.items()) or "none",
                next_step=f"assay data import FILE --criterion {criterion.name}",
            )
        if path.is_dir():
            path.rmdir()
        partial.replace(path)
    finally:
        _remove(partial)
    return Written(path=path, rows=counted.count, left_out=counted.left_out)


class _Counted:
    """Rows that are counted as they pass; each call begins anew."""

    def __init__(self, *, rows: Rows, keeps_parts: bool) -> None:
        self._rows = rows
        self._keeps_parts = keeps_parts
        self.count = 0
        self.left_out: Counter[str] = Counter()

    def __call__(self) -> Iterator[ExportRow]:
        self.count, self.left_out = 0, Counter()
        for row in self._rows():
            if not self._keeps_parts and not is_text(row.example):
                self.left_out["examples with images or typed parts"] += 1
                continue
            self.count += 1
            yield row


def _write(rows: _Counted, criterion: Criterion, name: ExportFormat, partial: Path) -> None:
    if name == "jsonl":
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(values_of(row), ensure_ascii=True) + "\n" for row in rows())
        return
    partial.mkdir(parents=True)
    if name == "label-studio":
        label_studio.write(rows(), criterion, partial)
    elif name == "argilla":
        argilla.write(rows(), criterion, partial)
    else:
        hf_dataset.write(rows, criterion, partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
