"""A prompted LLM's verdicts on the test rows, read from a file, to stand beside the judge in the report.

    {"id": "row-7", "label": "advice", "probability": 0.9, "model": "gpt-4o-mini"}
    {"id": "row-8", "verdict": {"kind": "decided", "label": "no_advice", "judge": "advice-3f2a91c0", …}}

`read_verdicts(path, criterion, examples)` takes rows like these, JSONL, CSV or Parquet: the verdict in the row itself,
under `verdict`, or in the columns `verdict_…`, as `assay judge` writes it. A row is about the example of its `id`, or,
without one, of its text. It knows nothing of how the model was asked.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from assay.ingest.examples import example_of, structured
from assay.ingest.labels import label_text
from assay.ingest.mapping import FieldMapping
from assay.ingest.row import MalformedRow, ReadRow
from assay.ingest.rows import read_rows
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.example import CONTENT_FIELDS
from assay.schema.verdict import Decided

_COLUMNS = "verdict_"


def read_verdicts(path: Path, criterion: Criterion, examples: Collection[str]) -> dict[str, Decided]:
    """Example id → verdict, of the rows that decided. A label without a probability counts as sure.

    `examples` are the ids that verdicts are wanted of; others are left out. Raises NotFoundError, IntegrityError (the
    file), InputError (a row without a verdict, a label off the scale, two verdicts on one example, none on `examples`).
    """
    wanted = frozenset(examples)
    found: dict[str, Decided] = {}
    for row in read_rows(path):
        try:
            example, verdict = _verdict(row, criterion, path.name)
            if verdict is not None and example in wanted:
                _refuse_two(found.setdefault(example, verdict), verdict, example)
        except InputError as error:
            raise InputError(
                f"Row {row.number} of {path.name} is no verdict: {error.problem}",
                required=error.required,
                got=error.got,
                next_step='give rows such as {"id": …, "label": …, "probability": …}, or a file that assay judge wrote',
            ) from None
    if not found:
        raise InputError(
            f"{path.name} decides none of the examples that the judge is tested on.",
            required=f"verdicts on test rows, such as {shown(min(wanted))}",
            got="none of them",
            next_step="let the model judge the rows of the test split, with their ids",
        )
    return found


def _verdict(row: ReadRow, criterion: Criterion, file: str) -> tuple[str, Decided | None]:
    if isinstance(row, MalformedRow):
        raise InputError(row.reason)
    said = _said(row.values)
    label = label_text(said.get("label"))
    if label is None and "label" not in said:
        raise InputError("it has no label.", required="label, or a verdict with a label")
    if label is None or said.get("kind", "decided") != "decided":
        return _example(row.values, criterion), None
    probabilities = _probabilities(said, criterion.check_label(label), criterion)
    verdict = Decided(
        label=label,
        probability=probabilities[label],
        probabilities=probabilities,
        scores={},
        judge=str(said.get("judge") or said.get("model") or file),
        latency_ms=0.0,
    )
    return _example(row.values, criterion), verdict


def _said(values: Mapping[str, Any]) -> Mapping[str, Any]:
    nested = values.get("verdict")
    if isinstance(nested, Mapping):
        return nested
    columns = {name.removeprefix(_COLUMNS): value for name, value in values.items() if name.startswith(_COLUMNS)}
    return columns or values


def _example(values: Mapping[str, Any], criterion: Criterion) -> str:
    if values.get("id") is not None:
        return str(values["id"])
    given = {name: values[name] for name in (*CONTENT_FIELDS, "messages") if values.get(name) is not None}
    return example_of(given, FieldMapping(), criterion).id


def _probabilities(said: Mapping[str, Any], label: str, criterion: Criterion) -> dict[str, float]:
    """Every label's: as given, or what the label's own leaves shared evenly by the others."""
    each = structured(said.get("probabilities"), "probabilities")
    if isinstance(each, Mapping) and each:
        return {name: _probability(each.get(name, 0.0)) for name in criterion.labels}
    own = _probability(1.0 if said.get("probability") is None else said["probability"])
    rest = (1.0 - own) / (len(criterion.labels) - 1)
    return {name: own if name == label else rest for name in criterion.labels}


def _probability(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 1:
        raise InputError("its probability is none.", required="a number from 0 to 1", got=shown(value))
    return number


def _refuse_two(first: Decided, second: Decided, example: str) -> None:
    if first != second:
        raise InputError(
            f"it answers {shown(example)} a second time, and otherwise.",
            required="one verdict an example",
            got=f"{shown(first.label)} and {shown(second.label)}",
        )
