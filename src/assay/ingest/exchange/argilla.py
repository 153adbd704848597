"""Argilla 2: the records of a dataset, as `dataset.records.to_json(path)` or `dataset.to_disk(folder)` write them.

A record's fields are columns of its own; the responses to one question become labels, each user's its own; a response
of the same user to a text question becomes its note. A suggestion is a label of its agent. Vectors are left out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.ingest.exchange.asked import Account, Asked, choose_question, people_source
from assay.ingest.exchange.columns import fields_of, unread
from assay.ingest.exchange.json_files import item_row, read_json
from assay.ingest.exchange.opinions import label_value, opinion
from assay.ingest.exchange.shapes import list_of, object_of, objects_of
from assay.ingest.row import ReadRow
from assay.schema.errors import InputError, shown

RECORDS_FILE = "records.json"
SETTINGS_FILE = ".argilla/settings.json"
OURS = "assay"  # the metadata that holds, as JSON text, what Argilla has no place for
_TEXT_KIND = "text"


def read(path: Path, asked: Asked, account: Account) -> Iterator[ReadRow]:
    """Rows of an export. Raises NotFoundError, InputError (the file; the question; who the users are)."""
    records = read_json(path / RECORDS_FILE if path.is_dir() else path)
    if not isinstance(records, list):
        raise InputError(
            f"{path.name} holds no Argilla records.", required="a list of records", got=shown(type(records).__name__)
        )
    texts = _text_questions(path, records)
    choose_question((name for name in _questions(records) if name not in texts), asked, account)
    for number, record in enumerate(records, start=1):
        yield item_row(number, record, _row(record, asked, account, texts))


def _row(record: Any, asked: Asked, account: Account, texts: set[str]) -> dict[str, Any] | str:
    given = record.get("fields") if isinstance(record, Mapping) else None
    if not isinstance(given, Mapping):
        return "not an Argilla record: no object 'fields'"
    metadata = dict(object_of(record.get("metadata")))
    ours = _ours(metadata.pop(OURS, None))
    fields = fields_of({"meta": metadata, **given, **object_of(ours.get("fields"))}, asked, account)
    problem = unread(fields, given, asked)
    if problem:
        return problem
    if ours:
        fields["id"] = record.get("id")
    if record.get("vectors"):
        account.left_out["vectors"] += 1
    return {**fields, "labels": _labels(record, asked, account, ours, texts)}


def _labels(
    record: Mapping[str, Any], asked: Asked, account: Account, ours: Mapping[str, Any], texts: set[str]
) -> list[dict[str, Any]]:
    responses = object_of(record.get("responses"))
    notes = _notes(responses, texts)
    exported = {str(entry.get("user_id")): entry for entry in objects_of(ours.get("labels"))}
    labels = [dict(object_of(entry.get("label"))) for entry in exported.values() if not entry.get("responded")]
    for question, given in responses.items():
        if question in texts:
            continue
        if question != account.question:
            account.left_out[f"responses to {question!r}"] += len(list_of(given))
            continue
        for response in objects_of(given):
            labels += _response(response, asked, account, exported, notes)
    for question, guess in object_of(record.get("suggestions")).items():
        if not ours:
            labels += _suggestion(question, guess, asked, account)
    return labels


def _response(
    response: Mapping[str, Any], asked: Asked, account: Account, exported: Mapping[Any, Any], notes: Mapping[str, str]
) -> list[dict[str, Any]]:
    status = response.get("status", "submitted")
    if status != "submitted":
        account.left_out[f"responses that are {status}"] += 1
        return []
    user = str(response.get("user_id"))
    value = label_value(response.get("value"), str(account.question), account.left_out)
    if value is None:
        return []
    known = object_of(object_of(exported.get(user)).get("label"))
    if known and known.get("value") == str(value):
        return [dict(known)]
    labeller = str(known.get("labeller") or user)
    return [opinion(value, labeller=labeller, source=people_source(asked), explanation=notes.get(user))]


def _suggestion(question: str, guess: Any, asked: Asked, account: Account) -> list[dict[str, Any]]:
    given = object_of(guess)
    if question != account.question:
        account.left_out[f"suggestions for {question!r}"] += 1
        return []
    value = label_value(given.get("value"), question, account.left_out)
    if value is None:
        return []
    source = people_source(asked) if given.get("type") == "human" else "teacher"
    return [opinion(value, labeller=str(given.get("agent") or "argilla-suggestion"), source=source)]


def _notes(responses: Mapping[str, Any], texts: set[str]) -> dict[str, str]:
    notes: dict[str, str] = {}
    for question in sorted(texts & set(responses)):
        for response in objects_of(responses[question]):
            if isinstance(response.get("value"), str):
                user = str(response.get("user_id"))
                notes[user] = "\n".join(text for text in (notes.get(user), response["value"]) if text)
    return notes


def _text_questions(path: Path, records: list[Any]) -> set[str]:
    """Questions that are answered in free words: by the settings, where they lie beside, else by the name `note`."""
    settings = path / SETTINGS_FILE if path.is_dir() else path.parent / SETTINGS_FILE
    if settings.exists():
        questions = object_of(read_json(settings)).get("questions")
        return {
            str(one.get("name"))
            for one in objects_of(questions)
            if object_of(one.get("settings")).get("type") == _TEXT_KIND
        }
    return {name for name in _questions(records) if name in ("note", "notes", "comment", "comments", "explanation")}


def _questions(records: list[Any]) -> Iterator[str]:
    for record in records:
        if isinstance(record, Mapping):
            yield from object_of(record.get("responses"))
            yield from object_of(record.get("suggestions"))


def _ours(text: Any) -> Mapping[str, Any]:
    try:
        return object_of(json.loads(text)) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
