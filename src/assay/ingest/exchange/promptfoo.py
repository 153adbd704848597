"""promptfoo: the results of an evaluation, `promptfoo eval --output results.json` or `results.jsonl`.

One row for each test case and prompt. An assertion's outcome, pass or fail, is a label: of its grader's model where a
model graded it, of a person where one rated it in the viewer, else of a rule. Assertions with the same metric name in
one test count as one that passes where all of them do. The whole test's outcome is the question `test`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.ingest.exchange.asked import Account, Asked, choose_question, people_source
from assay.ingest.exchange.json_files import item_row, parse, read_json
from assay.ingest.exchange.opinions import opinion, outcome
from assay.ingest.exchange.shapes import object_of, objects_of
from assay.ingest.jsonl import numbered_lines
from assay.ingest.row import ReadRow, malformed
from assay.schema.errors import InputError, shown
from assay.schema.ids import digest_json, short

WHOLE_TEST = "test"
GRADED_BY_MODEL = {
    "agent-rubric", "answer-relevance", "classifier", "context-faithfulness", "context-recall", "context-relevance",
    "conversation-relevance", "factuality", "g-eval", "llm-rubric", "model-graded-closedqa", "model-graded-factuality",
    "moderation", "pi", "search-rubric", "select-best", "similar",
}  # fmt: skip
_BY_A_PERSON = "human"
_Graded = tuple[int, Any, Mapping[str, Any] | str]  # number, the item as it stands, the result or why it is none


def read(path: Path, asked: Asked, account: Account) -> Iterator[ReadRow]:
    """Rows of a results file. Raises NotFoundError, InputError (the file; the question; who rated)."""
    results, when = _results(path)
    names = [name for _, _, result in results if isinstance(result, Mapping) for name in _components(result)]
    if asked.question == WHOLE_TEST or not names:
        names.append(WHOLE_TEST)
    choose_question(names, asked, account)
    for number, item, result in results:
        if isinstance(result, str):
            yield malformed(number, result, json.dumps(item, default=repr))
        else:
            yield item_row(number, item, _row(result, when, asked, account))


def _results(path: Path) -> tuple[list[_Graded], str | None]:
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        with path.open("rb") as stream:
            return [_line(number, line) for number, line in numbered_lines(stream)], None
    value = read_json(path)
    summary = value.get("results") if isinstance(value, Mapping) else None
    results = summary.get("results") if isinstance(summary, Mapping) else summary
    if not isinstance(results, list):
        raise InputError(
            f"{path.name} holds no promptfoo results.",
            required='an object with "results"',
            got=shown(list(value) if isinstance(value, Mapping) else type(value).__name__),
            next_step="write it with promptfoo eval --output results.json",
        )
    when = summary.get("timestamp") if isinstance(summary, Mapping) else None
    checked = [(number, item, _checked(item)) for number, item in enumerate(results, start=1)]
    return checked, when if isinstance(when, str) else None


def _line(number: int, line: bytes) -> _Graded:
    try:
        item = parse(line, f"line {number}")
    except InputError as error:
        return number, line.decode("utf-8", "backslashreplace"), f"{error.problem} {error.got}"
    return number, item, _checked(item)


def _checked(item: Any) -> Mapping[str, Any] | str:
    if not isinstance(item, Mapping) or not ("response" in item or "error" in item or "gradingResult" in item):
        return "not a promptfoo result: no object with a response"
    return item


def _row(result: Mapping[str, Any], when: str | None, asked: Asked, account: Account) -> dict[str, Any] | str:
    response = object_of(result.get("response"))
    if response.get("output") is None:
        return f"the provider gave no answer: {shown(str(result.get('error') or response.get('error')), 120)}"
    case = object_of(result.get("testCase"))
    told = {**object_of(case.get("vars")), **object_of(result.get("vars"))}
    meta = {"vars": told, "provider": _provider(result), "metadata": object_of(case.get("metadata"))}
    return {
        **_asked_and_answered(result, response),
        **({"context": told["context"]} if isinstance(told.get("context"), str) else {}),
        **({"group": f"promptfoo-{short(digest_json(told))}"} if told else {}),
        "labels": _labels(result, when, asked, account),
        "meta": {name: value for name, value in meta.items() if value},
    }


def _asked_and_answered(result: Mapping[str, Any], response: Mapping[str, Any]) -> dict[str, Any]:
    output = response["output"]
    said = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, sort_keys=True)
    prompt = str(object_of(result.get("prompt")).get("raw") or "")
    try:
        messages = json.loads(prompt)
    except (ValueError, RecursionError):
        messages = None
    if isinstance(messages, list) and messages and all(isinstance(one, dict) and "role" in one for one in messages):
        return {"messages": [*messages, {"role": "assistant", "content": said}]}
    return {"input": prompt, "output": said}


def _labels(result: Mapping[str, Any], when: str | None, asked: Asked, account: Account) -> list[dict[str, Any]]:
    if account.question == WHOLE_TEST:
        passed = outcome(bool(result.get("success")))
        return [opinion(passed, labeller="promptfoo/test", source="rule", date=when)]
    labels = []
    for name, graded in _components(result).items():
        if name != account.question:
            account.left_out[f"outcomes of {name!r}"] += 1
            continue
        people = [one for one in graded if _kind(one) == _BY_A_PERSON]
        tools = [one for one in graded if one not in people]
        if people:
            labels.append(_opinion(people[-1:], "promptfoo-reviewer", people_source(asked), when))
        if tools:
            by_model = any(_kind(one) in GRADED_BY_MODEL for one in tools)
            labels.append(_opinion(tools, _grader(result, tools, name), "teacher" if by_model else "rule", when))
    return labels


def _opinion(graded: list[Mapping[str, Any]], labeller: str, source: str, when: str | None) -> dict[str, Any]:
    passed = all(bool(one.get("pass")) for one in graded)
    deciding = [one for one in graded if bool(one.get("pass")) == passed]
    notes = (str(one.get("comment") or one.get("reason") or "") for one in deciding)
    note = "\n".join(dict.fromkeys(text for text in notes if text))
    return opinion(outcome(passed), labeller=labeller, source=source, date=when, explanation=note)


def _components(result: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The outcomes by the metric's name, or by the assertion's type where it has none."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    components = object_of(result.get("gradingResult")).get("componentResults")
    for one in objects_of(components):
        assertion = object_of(one.get("assertion"))
        if assertion.get("type"):
            found.setdefault(str(assertion.get("metric") or assertion["type"]), []).append(one)
    return found


def _kind(component: Mapping[str, Any]) -> str:
    kind = str(object_of(component.get("assertion")).get("type"))
    return kind.removeprefix("not-").split(":")[0]


def _grader(result: Mapping[str, Any], graded: list[Mapping[str, Any]], name: str) -> str:
    """The grader's model, where the assertion or the test names one."""
    options = object_of(object_of(result.get("testCase")).get("options"))
    named = [object_of(one.get("assertion")).get("provider") for one in graded] + [options.get("provider")]
    model = next((one for one in named if isinstance(one, str)), None)
    model = model or next((str(one["id"]) for one in named if isinstance(one, Mapping) and one.get("id")), None)
    return model if model and any(_kind(one) in GRADED_BY_MODEL for one in graded) else f"promptfoo/{name}"


def _provider(result: Mapping[str, Any]) -> str | None:
    provider = result.get("provider")
    named = object_of(provider).get("label") or object_of(provider).get("id")
    return str(named) if named else provider if isinstance(provider, str) else None
