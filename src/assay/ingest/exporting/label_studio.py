"""Label Studio: a folder with `tasks.json` (tasks, annotations, predictions) and `labeling_config.xml`.

Labels of people become annotations, those of models and rules predictions. Who gave a label, when, and as what stands
under `meta.assay` of its result, which Label Studio keeps: its own annotators have accounts that ours lack.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from assay.ingest.exchange.label_studio import OURS, TASKS_FILE
from assay.ingest.exporting.row import ExportRow, label_values, provenance_of
from assay.schema.criterion import Criterion
from assay.schema.label import Label

CONFIG_FILE = "labeling_config.xml"
NOTE = "note"
BY_MACHINE = ("teacher", "rule")


def write(rows: Iterator[ExportRow], criterion: Criterion, folder: Path) -> None:
    """Write both files into an empty folder."""
    (folder / CONFIG_FILE).write_text(labelling_config(criterion), encoding="utf-8")
    with (folder / TASKS_FILE).open("w", encoding="utf-8") as file:
        file.write("[")
        for number, row in enumerate(rows):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(_task(row, criterion), ensure_ascii=True))
        file.write("\n]\n")


def labelling_config(criterion: Criterion) -> str:
    """The labelling page as Label Studio's XML: the texts, the question, a choice for each label with its guidance."""
    view = Xml.Element("View")
    Xml.SubElement(view, "Header", value=criterion.question)
    for name in criterion.reads:
        Xml.SubElement(view, "Header", value=name, size="5")
        if name == "turns":
            Xml.SubElement(
                view, "Paragraphs", name=name, value=f"${name}", layout="dialogue", nameKey="role", textKey="content"
            )
        else:
            Xml.SubElement(view, "Text", name=name, value=f"${name}")
    choices = Xml.SubElement(
        view, "Choices", name=control_name(criterion), toName=criterion.reads[0], choice="single", required="true"
    )
    for level in criterion.scale.levels:
        choice = Xml.SubElement(choices, "Choice", value=level.label)
        if level.guidance:
            choice.set("hint", level.guidance)
    Xml.SubElement(view, "TextArea", name=NOTE, toName=criterion.reads[0], placeholder="Why? (optional)", rows="2")
    Xml.indent(view)
    return Xml.tostring(view, encoding="unicode") + "\n"


def control_name(criterion: Criterion) -> str:
    """The name of the choices: the criterion's, unless a text or the note has it."""
    return f"{criterion.name}_label" if criterion.name in (*criterion.reads, NOTE) else criterion.name


def _task(row: ExportRow, criterion: Criterion) -> dict[str, Any]:
    example = row.example
    people = [label for label in row.labels if label.source not in BY_MACHINE]
    machines = [label for label in row.labels if label.source in BY_MACHINE]
    return {
        "data": {"id": example.id, **example.content(), **provenance_of(example)},
        "annotations": [{"result": _result(label, criterion), "was_cancelled": False} for label in people],
        "predictions": [{"model_version": label.labeller, "result": _result(label, criterion)} for label in machines],
    }


def _result(label: Label, criterion: Criterion) -> list[dict[str, Any]]:
    about = {name: value for name, value in label_values(label).items() if name != "explanation"}
    first = criterion.reads[0]
    choice = {
        "id": "label",
        "from_name": control_name(criterion),
        "to_name": first,
        "type": "choices",
        "value": {"choices": [label.value]},
        "meta": {OURS: about},
    }
    if label.explanation is None:
        return [choice]
    text = {"text": [label.explanation]}
    return [choice, {"id": NOTE, "from_name": NOTE, "to_name": first, "type": "textarea", "value": text}]
