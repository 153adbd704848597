"""Argilla 2: a folder that `Dataset.from_disk` reads: `records.json`, and the settings under `.argilla`.

Labels of people become responses, the first of a model or rule a suggestion. What Argilla has no place for (who gave a
label when and as what, fields that the criterion does not read, provenance) is JSON text in the metadata `assay`.
"""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.ingest.exchange.argilla import OURS, RECORDS_FILE, SETTINGS_FILE
from assay.ingest.exporting.row import ExportRow, label_values, provenance_of
from assay.schema.criterion import Criterion
from assay.schema.ids import canonical_json
from assay.schema.label import Label

DATASET_FILE = ".argilla/dataset.json"
NOTE = "note"
BY_MACHINE = ("teacher", "rule")
_USERS = uuid.UUID("6f1d3c1e-7a52-5f0e-9b58-2f6d6a1c0a11")  # the space of user ids made from labellers' names


def write(rows: Iterator[ExportRow], criterion: Criterion, folder: Path) -> None:
    """Write the files into an empty folder."""
    (folder / DATASET_FILE).parent.mkdir()
    (folder / DATASET_FILE).write_text(json.dumps({"name": criterion.name}), encoding="utf-8")
    (folder / SETTINGS_FILE).write_text(json.dumps(settings_of(criterion), indent=1), encoding="utf-8")
    with (folder / RECORDS_FILE).open("w", encoding="utf-8") as file:
        file.write("[")
        for number, row in enumerate(rows):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(_record(row, criterion), ensure_ascii=True))
        file.write("\n]\n")


def settings_of(criterion: Criterion) -> dict[str, Any]:
    """The dataset's settings: the fields the criterion reads, its question, its guidance."""
    options = [{"value": label, "text": label} for label in criterion.labels]
    guidance = "\n".join(f"- **{level.label}**: {level.guidance}" for level in criterion.scale.levels if level.guidance)
    return {
        "guidelines": "\n\n".join(text for text in (criterion.question, criterion.description, guidance) if text),
        "allow_extra_metadata": True,
        "fields": [_field(name) for name in criterion.reads],
        "questions": [
            {
                "name": question_name(criterion),
                "title": criterion.question,
                "description": guidance or None,
                "required": True,
                "settings": {"type": "label_selection", "options": options, "visible_options": None},
            },
            {
                "name": NOTE,
                "title": "Why?",
                "description": None,
                "required": False,
                "settings": {"type": "text", "use_markdown": False},
            },
        ],
        "vectors": [],
        "metadata": [],
    }


def question_name(criterion: Criterion) -> str:
    """The question's name: the criterion's in small letters, unless a field or the note has it."""
    name = criterion.name.lower()
    return f"{name}_label" if name in (*criterion.reads, NOTE) else name


def _field(name: str) -> dict[str, Any]:
    kind = "chat" if name == "turns" else "text"
    settings = {"type": kind, "use_markdown": False}
    return {"name": name, "title": name, "required": False, "settings": settings}


def _record(row: ExportRow, criterion: Criterion) -> dict[str, Any]:
    example, question = row.example, question_name(criterion)
    content = example.content()
    people = [label for label in row.labels if label.source not in BY_MACHINE]
    machines = [label for label in row.labels if label.source in BY_MACHINE]
    hidden = {name: value for name, value in content.items() if name not in criterion.reads}
    about = {
        "fields": {**hidden, **provenance_of(example)},
        "labels": [
            {"user_id": user_id(label), "responded": label in people, "label": label_values(label)}
            for label in row.labels
        ],
    }
    responses = {question: [{"value": label.value, "user_id": user_id(label)} for label in people]}
    responses[NOTE] = [{"value": one.explanation, "user_id": user_id(one)} for one in people if one.explanation]
    suggestions = [{"value": label.value, "score": None, "agent": label.labeller} for label in machines]
    return {
        "id": example.id,
        "status": "completed" if people else "pending",
        "_server_id": None,
        "fields": {name: content[name] for name in criterion.reads if name in content},
        "metadata": {OURS: canonical_json(about)},
        "suggestions": {question: suggestions[0]} if suggestions else {},
        "responses": {name: given for name, given in responses.items() if given},
        "vectors": {},
    }


def user_id(label: Label) -> str:
    """The id of a user that stands for a labeller: the same for the same name."""
    return str(uuid.uuid5(_USERS, label.labeller))
