"""Label Studio: the JSON export of a project (`annotations` by task).

A task's `data` holds columns of its own; the answers of one control (`choices`, `rating`, `pairwise`, `number`) become
labels, each annotator's its own; what the annotator wrote in a text box of the same answer becomes its note.
Predictions are labels of their model. Answers that were cancelled, drafts and marked regions are left out and counted.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.ingest.exchange.asked import Account, Asked, choose_question, people_source
from assay.ingest.exchange.columns import fields_of, unread
from assay.ingest.exchange.json_files import item_row, read_json
from assay.ingest.exchange.opinions import label_value, opinion
from assay.ingest.exchange.shapes import list_of, objects_of
from assay.ingest.row import ReadRow
from assay.schema.errors import InputError, shown

TASKS_FILE = "tasks.json"  # of a folder that `assay data export` wrote
OURS = "assay"  # the key, under a result's `meta`, of what Label Studio has no place for
_KINDS = ("choices", "rating", "pairwise", "number")
_VALUE_KEYS = {"choices": "choices", "rating": "rating", "pairwise": "selected", "number": "number"}


def read(path: Path, asked: Asked, account: Account) -> Iterator[ReadRow]:
    """Rows of an export. Raises NotFoundError, InputError (the file; the question; who the annotators are)."""
    tasks = read_json(path / TASKS_FILE if path.is_dir() else path)
    if not isinstance(tasks, list):
        raise InputError(
            f"{path.name} is not a Label Studio export.", required="a list of tasks", got=shown(type(tasks).__name__)
        )
    if any(isinstance(task, Mapping) and "annotation_id" in task and "data" not in task for task in tasks):
        raise InputError(
            f"{path.name} is Label Studio's JSON-MIN, which keeps one annotator's answer and drops the kind of each.",
            required="the full JSON export",
            next_step="export the project again as JSON",
        )
    choose_question(_controls(tasks), asked, account)
    for number, task in enumerate(tasks, start=1):
        yield item_row(number, task, _row(task, asked, account))


def _row(task: Any, asked: Asked, account: Account) -> dict[str, Any] | str:
    data = task.get("data") if isinstance(task, Mapping) else None
    if not isinstance(data, Mapping):
        return "not a Label Studio task: no object 'data'"
    fields = fields_of(data, asked, account)
    problem = unread(fields, data, asked)
    if problem:
        return problem
    answers = _answers(task)
    labels = [label for answer in answers for label in _given(answer, asked, account)]
    labels += [label for guess in _predictions(task, answers, account) for label in _guessed(guess, account)]
    drafts = len(objects_of(task.get("drafts")))
    if drafts:
        account.left_out["drafts"] += drafts
    return {**fields, "labels": labels}


def _answers(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return objects_of(task.get("annotations", task.get("completions")))


def _predictions(
    task: Mapping[str, Any], answers: list[Mapping[str, Any]], account: Account
) -> list[Mapping[str, Any]]:
    """A snapshot holds predictions whole. The plain export names them by number, and holds those that an annotator had
    in view beside the answer.
    """
    listed = list_of(task.get("predictions"))
    in_view = objects_of([answer.get("prediction") for answer in answers])
    seen = {one["id"]: one for one in in_view if isinstance(one.get("id"), int) and one.get("result")}
    missing = [one for one in listed if isinstance(one, int) and one not in seen]
    if missing:
        account.left_out["predictions that the file names by number only"] += len(missing)
    return [*objects_of(listed), *(seen[one] for one in listed if isinstance(one, int) and one in seen)]


def _given(answer: Mapping[str, Any], asked: Asked, account: Account) -> list[dict[str, Any]]:
    if answer.get("was_cancelled"):
        account.left_out["skipped (cancelled) annotations"] += 1
        return []
    found = _answer(answer, account)
    if found is None:
        return []
    value, note, ours = found
    if ours.get("value") == str(value):
        labeller, source, when = str(ours["labeller"]), ours.get("source"), ours.get("date")
    else:
        labeller, source = _annotator(answer, changed=bool(ours)), people_source(asked)
        when = answer.get("updated_at") or answer.get("created_at")
    return [opinion(value, labeller=labeller, source=source, date=when, explanation=note)]


def _guessed(guess: Mapping[str, Any], account: Account) -> list[dict[str, Any]]:
    found = _answer(guess, account)
    if found is None:
        return []
    value, note, ours = found
    ours = ours or {
        "labeller": guess.get("model_version") or "label-studio-prediction",
        "date": guess.get("created_at"),
    }
    source = ours.get("source") or "teacher"
    return [opinion(value, labeller=str(ours["labeller"]), source=source, date=ours.get("date"), explanation=note)]


def _answer(answer: Mapping[str, Any], account: Account) -> tuple[Any, str | None, Mapping[str, Any]] | None:
    """The value, the note and our own remarks in one annotation; what else stands there is counted."""
    value: Any = None
    notes: list[str] = []
    ours: Mapping[str, Any] = {}
    for result in objects_of(answer.get("result")):
        kind, content = str(result.get("type")), result.get("value")
        if kind == "textarea" and isinstance(content, Mapping):
            notes += [text for text in list_of(content.get("text")) if isinstance(text, str)]
        elif kind not in _KINDS or not isinstance(content, Mapping):
            account.left_out[f"regions and other results of kind {kind!r}"] += 1
        elif result.get("from_name") != account.question:
            account.left_out[f"answers to {result.get('from_name')!r}"] += 1
        else:
            value = _single(content.get(_VALUE_KEYS[kind]), account)
            meta = result.get("meta")
            ours = meta[OURS] if isinstance(meta, Mapping) and isinstance(meta.get(OURS), Mapping) else {}
    if value is None:
        account.left_out["annotations without an answer to the question"] += 1
        return None
    return value, "\n".join(notes) or None, ours if ours.get("labeller") else {}


def _single(value: Any, account: Account) -> Any:
    question = str(account.question)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return label_value(value, question, account.left_out)


def _annotator(answer: Mapping[str, Any], *, changed: bool) -> str:
    """Who answered; of an answer that we had exported and somebody changed, who changed it."""
    who = (answer.get("updated_by") if changed else None) or answer.get("completed_by")
    if isinstance(who, Mapping):
        who = who.get("email") or who.get("username") or who.get("id")
    return f"annotator-{who}" if isinstance(who, int) else str(who or "annotator-unknown")


def _controls(tasks: list[Any]) -> Iterator[str]:
    for task in objects_of(tasks):
        for answer in (*_answers(task), *objects_of(task.get("predictions"))):
            for result in objects_of(answer.get("result")):
                if result.get("type") in _KINDS and isinstance(result.get("from_name"), str):
                    yield result["from_name"]
