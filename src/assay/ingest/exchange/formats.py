"""The table of other tools' formats, and the one way to read them.

`read_exchange(path, "promptfoo", asked, account)` yields rows as `read_rows` does. The account says what else was
there.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from assay.ingest.exchange import argilla, deepeval, hf_dataset, inspect_log, label_studio, mlflow, promptfoo
from assay.ingest.exchange.asked import Account, Asked
from assay.ingest.exchange.detection import EXCHANGE_FORMATS, ExchangeFormat, told_format
from assay.ingest.mapping import meant
from assay.ingest.row import ReadRow
from assay.ingest.rows import FORMATS, Format
from assay.schema.errors import InputError, NotFoundError, shown

AnyFormat: TypeAlias = Format | ExchangeFormat
_Reader: TypeAlias = Callable[[Path, Asked, Account], Iterator[ReadRow]]

READERS: Mapping[ExchangeFormat, _Reader] = {
    "label-studio": label_studio.read,
    "argilla": argilla.read,
    "hf-dataset": hf_dataset.read,
    "promptfoo": promptfoo.read,
    "deepeval": deepeval.read,
    "inspect": inspect_log.read,
    "mlflow": mlflow.read,
}

FOLDERS: tuple[ExchangeFormat, ...] = ("label-studio", "argilla", "hf-dataset")  # may be a folder


def exchange_format(path: Path, given: AnyFormat | None) -> ExchangeFormat | None:
    """The tool's format, as given or told from the file; None for JSONL, CSV and Parquet rows of our own.

    Raises NotFoundError; InputError: an unknown format, a JSON file that no known tool wrote.
    """
    known = (*FORMATS, *EXCHANGE_FORMATS)
    if given is not None and given not in known:
        raise InputError("An unknown format.", required=meant(given, known), got=shown(given))
    if given is not None:
        return given if given in EXCHANGE_FORMATS else None
    _check_there(path)
    told = told_format(path)
    if told is None and path.suffix.lower() == ".json":
        raise InputError(
            f"{path.name} is JSON that no tool known here wrote.",
            required=f"a file of {', '.join(EXCHANGE_FORMATS)}, or JSON lines (.jsonl)",
            next_step="give --format, or write one object a line into a .jsonl file",
        )
    return told


def read_exchange(path: Path, name: ExchangeFormat, asked: Asked, account: Account) -> Iterator[ReadRow]:
    """Rows of another tool's file. Errors as the format's `read`, and InputError: a folder where a file is read."""
    _check_there(path)
    if path.is_dir() and name not in FOLDERS:
        raise InputError(f"{name} is read from one file.", required="a file", got=f"the folder {shown(str(path))}")
    return READERS[name](path, asked, account)


def _check_there(path: Path) -> None:
    if not path.exists():
        raise NotFoundError(f"There is no file {shown(str(path))}.", next_step="check the path")
    if not os.access(path, os.R_OK):
        raise InputError(f"{shown(str(path))} may not be read.", next_step="check the file's permissions")
