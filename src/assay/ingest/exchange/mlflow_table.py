"""MLflow's `eval_results_table.json`: the rows of a classic `mlflow.evaluate`, `{"columns": [...], "data": [...]}`.

A column `NAME/vN/score` is a question; with a column `NAME/vN/justification` beside it a model answered it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from assay.ingest.exchange.asked import Account, Asked, choose_question
from assay.ingest.exchange.columns import fields_of, unread
from assay.ingest.exchange.json_files import item_row
from assay.ingest.exchange.opinions import label_value, opinion
from assay.ingest.row import ReadRow

_SCORE, _NOTE = "/score", "/justification"
_OURS = {
    "inputs": "input",
    "outputs": "output",
    "targets": "reference",
    "prediction": "output",
    "predictions": "output",
}


def is_table(value: Any) -> bool:
    """Whether a JSON value is such a table."""
    return isinstance(value, Mapping) and isinstance(value.get("columns"), list) and isinstance(value.get("data"), list)


def read_table(table: Mapping[str, Any], asked: Asked, account: Account) -> Iterator[ReadRow]:
    """Rows of the table. Raises InputError (the question)."""
    columns = [str(name) for name in table["columns"]]
    scores = {name.removesuffix(_SCORE).split("/")[0]: name for name in columns if name.endswith(_SCORE)}
    choose_question(scores, asked, account)
    for number, cells in enumerate(table["data"], start=1):
        if not isinstance(cells, list) or len(cells) != len(columns):
            yield item_row(number, cells, f"not a row of {len(columns)} cells")
            continue
        given = dict(zip(columns, cells, strict=True))
        yield item_row(number, cells, _row(given, scores, asked, account))


def _row(given: Mapping[str, Any], scores: Mapping[str, str], asked: Asked, account: Account) -> dict[str, Any] | str:
    judged = {_OURS.get(name, name): value for name, value in given.items() if "/" not in name}
    fields = fields_of(judged, asked, account)
    for name in scores:
        if name != account.question:
            account.left_out[f"scores of {name!r}"] += 1
    return unread(fields, given, asked) or {**fields, "labels": _labels(given, scores, account)}


def _labels(given: Mapping[str, Any], scores: Mapping[str, str], account: Account) -> list[dict[str, Any]]:
    column = scores.get(str(account.question))
    value = None if column is None else label_value(given[column], str(account.question), account.left_out)
    if column is None or value is None:
        return []
    note = column.removesuffix(_SCORE) + _NOTE
    source = "teacher" if note in given else "rule"
    return [opinion(value, labeller=f"mlflow/{account.question}", source=source, explanation=given.get(note))]
