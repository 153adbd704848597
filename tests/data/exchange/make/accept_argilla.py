"""Read an exported folder with Argilla's own classes, as `Dataset.from_disk` does; print what it saw."""

import json
import sys
from pathlib import Path

import argilla as rg
from argilla._models import DatasetModel
from argilla.records._io import JsonIO
from argilla_offline import connect

folder = Path(sys.argv[1])
connect()
DatasetModel(**json.loads((folder / ".argilla" / "dataset.json").read_text()))
settings = rg.Settings.from_json(folder / ".argilla" / "settings.json")
settings.validate()
records = JsonIO._records_from_json(folder / "records.json")
print(
    json.dumps(
        {
            "rows": len(records),
            "labels": settings.questions[0].labels,
            "fields": [field.name for field in settings.fields],
            "responses": [[response.value for response in record.responses] for record in records],
            "suggestions": [[one.agent for one in record.suggestions] for record in records],
        }
    )
)
