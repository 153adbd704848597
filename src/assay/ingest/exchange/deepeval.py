"""DeepEval: a test run as JSON, which `evaluate()` and `deepeval test run` keep (`.deepeval/.latest_test_run.json`, or
the folder that DEEPEVAL_RESULTS_FOLDER names).

One row for each test case; a conversation's turns are its `turns`. A metric's success, pass or fail, is a label: of
its model where it has one, else of a rule; its reason is the note.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.ingest.exchange.asked import Account, Asked, choose_question
from assay.ingest.exchange.json_files import item_row, read_json
from assay.ingest.exchange.opinions import opinion, outcome
from assay.ingest.exchange.shapes import list_of, object_of, objects_of
from assay.ingest.row import ReadRow
from assay.schema.errors import InputError, shown

_CASES = ("testCases", "conversationalTestCases")


def read(path: Path, asked: Asked, account: Account) -> Iterator[ReadRow]:
    """Rows of a test run. Raises NotFoundError, InputError (the file; the question)."""
    run = read_json(path)
    run = run["testRunData"] if isinstance(run, Mapping) and isinstance(run.get("testRunData"), Mapping) else run
    if not isinstance(run, Mapping) or not any(isinstance(run.get(name), list) for name in _CASES):
        raise InputError(
            f"{path.name} holds no DeepEval test run.",
            required=f"an object with {' or '.join(_CASES)}",
            got=shown(list(run) if isinstance(run, Mapping) else type(run).__name__),
        )
    cases = [case for name in _CASES for case in list_of(run.get(name))]
    choose_question((str(metric["name"]) for case in cases for metric in _metrics(case)), asked, account)
    for number, case in enumerate(cases, start=1):
        yield item_row(number, case, _row(case, account))


def _row(case: Any, account: Account) -> dict[str, Any] | str:
    if not isinstance(case, Mapping):
        return "not a DeepEval test case: no object"
    turns = case.get("turns")
    said = _conversation(turns) if isinstance(turns, list) and turns else _single(case)
    kept = ("name", "comments", "tags", "scenario", "userDescription", "order")
    meta = {name: case[name] for name in kept if case.get(name) not in (None, "", [])}
    extra = case.get("additionalMetadata", case.get("metadata"))
    return {
        **said,
        "labels": _labels(case, account),
        "meta": {**(extra if isinstance(extra, Mapping) else {}), **meta},
    }


def _single(case: Mapping[str, Any]) -> dict[str, Any]:
    found = case.get("retrievalContext") or case.get("context")
    context = "\n\n".join(str(piece) for piece in found) if isinstance(found, list) else found
    fields = {
        "input": case.get("input"),
        "output": case.get("actualOutput"),
        "context": context,
        "reference": case.get("expectedOutput"),
    }
    return {name: value for name, value in fields.items() if value}


def _conversation(turns: list[Any]) -> dict[str, Any]:
    said = [object_of(turn) for turn in turns]
    return {"messages": [{"role": turn.get("role"), "content": turn.get("content")} for turn in said]}


def _labels(case: Mapping[str, Any], account: Account) -> list[dict[str, Any]]:
    labels: dict[str, dict[str, Any]] = {}
    for metric in _metrics(case):
        name = str(metric["name"])
        if name != account.question:
            account.left_out[f"outcomes of {name!r}"] += 1
        elif metric.get("error") or not isinstance(metric.get("success"), bool):
            account.left_out[f"outcomes of {name!r} that failed"] += 1
        else:
            model = metric.get("evaluationModel")
            given = opinion(
                outcome(metric["success"]),
                labeller=str(model or f"deepeval/{name}"),
                source="teacher" if model else "rule",
                explanation=metric.get("reason"),
            )
            labels[given["labeller"]] = given
    return list(labels.values())


def _metrics(case: Any) -> list[Mapping[str, Any]]:
    return [metric for metric in objects_of(object_of(case).get("metricsData")) if metric.get("name")]
