"""Opinions from a file: the verdicts that `assay judge` wrote, or an LLM's answers in the same shape.

A row has an `id` and either `verdict` (as in JSONL and Parquet), the columns `verdict_kind`, `verdict_label`,
`verdict_probabilities` (as in CSV), or just `label` and perhaps `probabilities`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.ingest.examples import structured
from assay.ingest.row import MalformedRow
from assay.ingest.rows import read_rows
from assay.labelling.scores import Opinion
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown


def read_opinions(path: Path, criterion: Criterion) -> dict[str, Opinion]:
    """Example id → opinion. Raises InputError naming the row (malformed, without id, off the scale), NotFoundError."""
    found: dict[str, Opinion] = {}
    for row in read_rows(path, None):
        if isinstance(row, MalformedRow):
            raise InputError(f"Row {row.number} of {path.name} cannot be read.", got=row.reason)
        example_id = row.values.get("id")
        if not isinstance(example_id, str | int):
            raise InputError(
                f"Row {row.number} of {path.name} names no example.", required="an id", got=shown(example_id)
            )
        found[str(example_id)] = _opinion(row.values, criterion, f"row {row.number} of {path.name}")
    if not found:
        raise InputError(f"{path.name} holds no rows.", required="verdicts of a judge, one a row")
    return found


def _opinion(values: Mapping[str, Any], criterion: Criterion, where: str) -> Opinion:
    verdict = structured(values.get("verdict"), "verdict")
    parts = (
        verdict
        if isinstance(verdict, Mapping)
        else {name.removeprefix("verdict_"): value for name, value in values.items() if name.startswith("verdict_")}
        or values
    )
    label = parts.get("label") or None
    if label is not None:
        criterion.check_label(label)
    probabilities = structured(parts.get("probabilities"), "probabilities") or {}
    if not isinstance(probabilities, Mapping) or not set(probabilities) <= set(criterion.labels):
        raise InputError(
            f"The probabilities in {where} are not those of the criterion.",
            required=f"numbers for {list(criterion.labels)}",
            got=shown(probabilities),
        )
    return Opinion(label=label, probabilities={name: float(value) for name, value in probabilities.items()})
