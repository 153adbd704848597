"""Hugging Face: a folder as a dataset repository holds it, `README.md` (the card) and `data/train-….parquet`.

`load_dataset(folder)` reads it. `labels` holds every opinion, `target` their consensus as a ClassLabel, `meta` is JSON
text. Written by pyarrow, with the features in the schema as the library writes them.
"""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from assay.ingest.exchange.hf_dataset import MARK, TARGET
from assay.ingest.exporting.row import ExportRow, values_of
from assay.schema.criterion import Criterion
from assay.schema.example import CONTENT_FIELDS
from assay.schema.ids import canonical_json

DATA_FILE = "data/train-00000-of-00001.parquet"
CARD_FILE = "README.md"
_BATCH_ROWS = 500
_TEXT = {"dtype": "string", "_type": "Value"}
_TURN = {"role": _TEXT, "content": _TEXT}
_OPINION = dict.fromkeys(("value", "labeller", "source", "date", "explanation"), _TEXT)


def write(rows: Callable[[], Iterator[ExportRow]], criterion: Criterion, folder: Path) -> None:
    """Write both files into an empty folder. `rows` is read twice: the first time for the columns."""
    found = {name for row in rows() for name in row.example.content()}
    fields = [name for name in CONTENT_FIELDS if name in found or name in criterion.reads]
    schema = _schema(fields, criterion)
    (folder / DATA_FILE).parent.mkdir()
    count = 0
    with pyarrow.parquet.ParquetWriter(folder / DATA_FILE, schema, compression="zstd") as writer:
        source = rows()
        while batch := [_values(row, criterion) for row in islice(source, _BATCH_ROWS)]:
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    (folder / CARD_FILE).write_text(dataset_card(criterion, count), encoding="utf-8")


def dataset_card(criterion: Criterion, rows: int) -> str:
    """The card: where the data lies, what was asked, what the labels mean."""
    levels = "\n".join(f"- `{level.label}`: {level.guidance or '(no guidance)'}" for level in criterion.scale.levels)
    about = f"\n\n{criterion.description}" if criterion.description else ""
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: {DATA_FILE}
tags:
- assay
---
# {criterion.name}

{rows:,} labelled examples of criterion `{criterion.key}`: {criterion.question}{about}

## Labels

{levels}

## Columns

`{"`, `".join(criterion.reads)}` is what a judge reads. `labels` holds every opinion (value, labeller, source, date,
explanation); `{TARGET}` is what they amount to (the most trusted source present decides by majority; empty on a tie).
`meta` is JSON text. Not divided into splits: `assay data import` reads the folder back, `assay data freeze` divides it.
"""


def _schema(fields: list[str], criterion: Criterion) -> pyarrow.Schema:
    text = pyarrow.string()
    turn = pyarrow.struct([(name, text) for name in _TURN])
    opinion = pyarrow.struct([(name, text) for name in _OPINION])
    kinds = {
        "id": (text, _TEXT),
        **dict.fromkeys(fields, (text, _TEXT)),
        "group": (text, _TEXT),
        "source": (text, _TEXT),
        "weight": (pyarrow.float64(), {"dtype": "float64", "_type": "Value"}),
        "labels": (pyarrow.list_(opinion), [_OPINION]),
        TARGET: (pyarrow.int64(), {"names": list(criterion.labels), "_type": "ClassLabel"}),
        "meta": (text, _TEXT),
    }
    if "turns" in kinds:
        kinds["turns"] = (pyarrow.list_(turn), [_TURN])
    features = {name: feature for name, (_, feature) in kinds.items()}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode(), MARK: criterion.key.encode()}
    return pyarrow.schema([(name, kind) for name, (kind, _) in kinds.items()], metadata=metadata)


def _values(row: ExportRow, criterion: Criterion) -> dict[str, Any]:
    values = values_of(row)
    meta = values.get("meta")
    return {
        **values,
        "source": row.example.source,
        "weight": row.example.weight,
        TARGET: None if row.target is None else criterion.labels.index(row.target),
        "meta": None if meta is None else canonical_json(meta),
    }
