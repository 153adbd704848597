"""MLflow: traces with their assessments, as JSON or in a SQLite store, and the table of a classic evaluation.

`Trace.to_json()` (one a line, or a list), `mlflow.db`, or `eval_results_table.json`. One row for each trace: what its
root span was given and answered, and what retrievers found as the context. An assessment is a label: of a person
(HUMAN), of the judge's model (LLM_JUDGE) or of a rule (CODE); its rationale is the note. An expected answer is the
reference.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.ingest.exchange.asked import Account, Asked, choose_question, people_source
from assay.ingest.exchange.json_files import item_row, parse, read_json
from assay.ingest.exchange.mlflow_store import is_sqlite, read_store
from assay.ingest.exchange.mlflow_table import is_table, read_table
from assay.ingest.exchange.opinions import label_value, opinion
from assay.ingest.exchange.shapes import list_of, object_of, objects_of
from assay.ingest.exchange.spoken_values import said_of
from assay.ingest.jsonl import numbered_lines
from assay.ingest.row import ReadRow
from assay.schema.errors import InputError, shown

EXPECTED_ANSWERS = ("expected_response", "ground_truth", "expected_output", "expected_answer")
SESSION = "mlflow.trace.session"
_SOURCES = {"LLM_JUDGE": "teacher", "AI_JUDGE": "teacher", "CODE": "rule"}
_PEOPLE = "HUMAN"


def read(path: Path, asked: Asked, account: Account) -> Iterator[ReadRow]:
    """Rows of traces. Raises NotFoundError, InputError, IntegrityError (the file); InputError (the question, who)."""
    if path.is_file() and is_sqlite(path):
        choose_question(_names(read_store(path)), asked, account)
        traces: Any = read_store(path)
    elif path.suffix.lower() in (".jsonl", ".ndjson"):
        choose_question(_names(_lines(path)), asked, account)
        traces = _lines(path)
    else:
        value = read_json(path)
        if is_table(value):
            yield from read_table(value, asked, account)
            return
        traces = value if isinstance(value, list) else [value]
        if not any(isinstance(object_of(trace).get("info"), Mapping) for trace in traces):
            raise InputError(
                f"{path.name} holds no MLflow traces.",
                required='traces with "info" and "data", a SQLite store, or eval_results_table.json',
                got=shown(list(value) if isinstance(value, Mapping) else type(value).__name__),
            )
        choose_question(_names(iter(traces)), asked, account)
    for number, trace in enumerate(traces, start=1):
        yield item_row(number, trace, _row(trace, asked, account))


def _lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:
        for number, line in numbered_lines(stream):
            try:
                yield parse(line, f"line {number}")
            except InputError:
                yield line.decode("utf-8", "backslashreplace")


def _names(traces: Iterator[Any]) -> Iterator[str]:
    for trace in traces:
        for one in _assessments(trace):
            if "feedback" in one:
                yield str(one.get("assessment_name") or one.get("name"))


def _row(trace: Any, asked: Asked, account: Account) -> dict[str, Any] | str:
    info, data = object_of(object_of(trace).get("info")), object_of(object_of(trace).get("data"))
    spans = objects_of(data.get("spans"))
    root = next((span for span in spans if not (span.get("parent_span_id") or span.get("parent_id"))), None)
    if root is None:
        return "no MLflow trace with its spans (an older store keeps these beside it: export the traces as JSON)"
    said = said_of(_attribute(root, "mlflow.spanInputs"), _attribute(root, "mlflow.spanOutputs"))
    context = "\n\n".join(text for span in spans for text in _found(span))
    meta = {
        "trace_id": info.get("trace_id") or info.get("request_id"),
        "tags": {name: value for name, value in object_of(info.get("tags")).items() if not name.startswith("mlflow.")},
    }
    return {
        **said,
        **({"context": context} if context else {}),
        **_expected(trace, account),
        "group": object_of(info.get("trace_metadata") or info.get("request_metadata")).get(SESSION),
        "labels": _labels(trace, asked, account),
        "meta": {name: value for name, value in meta.items() if value},
    }


def _labels(trace: Any, asked: Asked, account: Account) -> list[dict[str, Any]]:
    """Each source's newest feedback to the question."""
    newest: dict[str, dict[str, Any]] = {}
    for one in sorted(_assessments(trace), key=lambda one: str(one.get("create_time"))):
        name, feedback = str(one.get("assessment_name") or one.get("name")), one.get("feedback")
        if not isinstance(feedback, Mapping):
            continue
        if name != account.question:
            account.left_out[f"assessments of {name!r}"] += 1
        elif one.get("valid") is False:
            account.left_out[f"assessments of {name!r} that were replaced"] += 1
        elif feedback.get("error") and feedback.get("value") is None:
            account.left_out[f"assessments of {name!r} that failed"] += 1
        else:
            given = _feedback(one, feedback.get("value"), name, asked, account)
            if given:
                newest[given["labeller"]] = given
    return list(newest.values())


def _feedback(one: Mapping[str, Any], value: Any, name: str, asked: Asked, account: Account) -> dict[str, Any] | None:
    source = object_of(one.get("source"))
    kind = str(source.get("source_type"))
    label = label_value(value, name, account.left_out)
    if label is None:
        return None
    who = str(source.get("source_id") or "default")
    return opinion(
        label,
        labeller=f"mlflow/{name}" if who == "default" else who,
        source=people_source(asked) if kind == _PEOPLE else _SOURCES.get(kind, "rule"),
        date=one.get("last_update_time") or one.get("create_time"),
        explanation=one.get("rationale"),
    )


def _expected(trace: Any, account: Account) -> dict[str, Any]:
    for one in _assessments(trace):
        value = object_of(one.get("expectation")).get("value")
        name = str(one.get("assessment_name") or one.get("name"))
        if name in EXPECTED_ANSWERS and isinstance(value, str):
            return {"reference": value}
        if "expectation" in one:
            account.left_out[f"expectations {name!r}"] += 1
    return {}


def _assessments(trace: Any) -> list[Mapping[str, Any]]:
    return objects_of(object_of(object_of(trace).get("info")).get("assessments"))


def _found(span: Mapping[str, Any]) -> Iterator[str]:
    if _attribute(span, "mlflow.spanType") != "RETRIEVER":
        return
    documents = _attribute(span, "mlflow.spanOutputs")
    for document in list_of(documents):
        text = document if isinstance(document, str) else object_of(document).get("page_content")
        if isinstance(text, str):
            yield text


def _attribute(span: Mapping[str, Any], name: str) -> Any:
    """An attribute, which MLflow keeps as JSON text."""
    value = object_of(span.get("attributes")).get(name)
    try:
        return parse(value.encode(), name) if isinstance(value, str) else value
    except (InputError, UnicodeEncodeError):
        return value
