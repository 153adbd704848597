"""Hugging Face datasets on disk: what `save_to_disk` wrote (Arrow), or Parquet files, as a repository holds them.

The columns are the user's own. Integers of a ClassLabel become the names that the dataset's features give them; the
split a row was in is kept as `meta.split`. Images, audio and video are left out and counted. Read with pyarrow: the
library itself is not needed, no script is run, and nothing is fetched.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.ingest.exchange.arrow_files import ArrowFile, arrow_files, features_of, rows_of
from assay.ingest.exchange.asked import Account, Asked, choose_question, people_source
from assay.ingest.exchange.columns import fields_of, unread
from assay.ingest.exchange.json_files import item_row, parse
from assay.ingest.row import MalformedRow, ReadRow

MARK = b"assay"  # the key of the schema's metadata that our own export sets
TARGET = "target"  # its column with the consensus, made from the labels
_MEDIA = ("Image", "Audio", "Video")
_LABEL_COLUMNS = ("label", "labels")


def read(path: Path, asked: Asked, account: Account) -> Iterator[ReadRow]:
    """Rows of all splits. Raises NotFoundError, InputError (the files; the question; who gave the labels)."""
    files = arrow_files(path)
    specs = [features_of(file) for file in files]
    _choose_label(specs, asked, account)
    number = 0
    for file, spec in zip(files, specs, strict=True):
        for row in rows_of(file):
            number += 1
            if isinstance(row, MalformedRow):
                yield MalformedRow(number=number, reason=row.reason, raw=row.raw)
            else:
                yield item_row(number, row.values, _row(row.values, file, spec, asked, account))


def _choose_label(specs: list[Mapping[str, Any]], asked: Asked, account: Account) -> None:
    columns = {name: spec for features in specs for name, spec in features.items()}
    named = [name for name in _LABEL_COLUMNS if name in columns]
    classes = [name for name, spec in columns.items() if _kind(spec) == "ClassLabel" and name != TARGET]
    if asked.question is not None or asked.criterion.name in columns:
        choose_question(columns, asked, account)
    elif "label" not in asked.mapping.columns:
        choose_question(named[:1] or classes, asked, account)


def _row(
    values: Mapping[str, Any], file: ArrowFile, spec: Mapping[str, Any], asked: Asked, account: Account
) -> dict[str, Any] | str:
    given: dict[str, Any] = {}
    for name, value in values.items():
        if _kind(spec.get(name)) in _MEDIA:
            account.left_out[f"column {name!r} ({_kind(spec.get(name)).lower()})"] += value is not None
        elif not (name == TARGET and file.ours):
            given[name] = _decoded(value, spec.get(name))
    if file.ours and isinstance(given.get("meta"), str):
        given["meta"] = parse(given["meta"].encode(), "meta")
    question = account.question
    if question is not None and question not in _LABEL_COLUMNS and given.get(question) is not None:
        given["label"] = given.pop(question)
    if "labels" in given and not _is_opinions(given["labels"]):
        given.setdefault("label", given.pop("labels"))
    fields = fields_of(given, asked, account, labels_too=True)
    problem = unread(fields, given, asked)
    if problem:
        return problem
    if _says_no_source(fields):
        people_source(asked)
    if file.split and not file.ours:
        fields["meta"] = {"split": file.split, **fields.get("meta", {})}
    return fields


def _says_no_source(fields: Mapping[str, Any]) -> bool:
    if fields.get("label_source"):
        return False
    entries = fields.get("labels") or ([{}] if fields.get("label") is not None else [])
    return any(not (entry.get("source") or entry.get("label_source")) for entry in entries)


def _is_opinions(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value)


def _decoded(value: Any, spec: Any) -> Any:
    """A value with the integers of its ClassLabels as names; an integer without a name (-1: none) is nothing."""
    if value is None or spec is None:
        return value
    if _kind(spec) == "ClassLabel":
        names = spec.get("names") or []
        return names[value] if isinstance(value, int) and 0 <= value < len(names) else None
    if isinstance(value, list):
        inner = spec.get("feature") if isinstance(spec, Mapping) else spec[0] if spec else None
        return [_decoded(item, inner) for item in value]
    if isinstance(value, Mapping) and isinstance(spec, Mapping):
        return {name: _decoded(item, spec.get(name)) for name, item in value.items()}
    return value


def _kind(spec: Any) -> str:
    return str(spec.get("_type")) if isinstance(spec, Mapping) else ""
