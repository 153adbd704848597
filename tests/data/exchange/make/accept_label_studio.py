"""Import an exported folder into a Label Studio server; write its plain export, a snapshot with whole predictions, and
a snapshot after an annotator changed one answer. Print how much it took.
"""

import json
import sys
import tempfile
from pathlib import Path

from label_studio_server import Server

WHOLE = {"serialization_options": {"predictions": {"only_id": False}, "drafts": {"only_id": False}}}


def snapshot(person, project):
    """All of a project, predictions included."""
    made = person.post(f"/api/projects/{project}/exports/", json={"title": "all", **WHOLE})
    return person.get(f"/api/projects/{project}/exports/{made['id']}/download", params={"exportType": "JSON"})


def change(person, project, task_id):
    """Answer no_advice in the first annotation of a task, as the labelling page does: its results come back whole."""
    task = person.get(f"/api/tasks/{task_id}/", params={"project": project})
    annotation = min(task["annotations"], key=lambda one: one["id"])
    for result in annotation["result"]:
        if result["type"] == "choices":
            result["value"]["choices"] = ["no_advice"]
    person.patch(f"/api/annotations/{annotation['id']}/", json={"result": annotation["result"]})


folder, out = Path(sys.argv[1]), Path(sys.argv[2])
with tempfile.TemporaryDirectory() as data, Server(Path(data)) as server:
    eve = server.sign_up("eve@example.org")
    config = (folder / "labeling_config.xml").read_text()
    project = eve.post("/api/projects", json={"title": "exported", "label_config": config})["id"]
    taken = eve.post(f"/api/projects/{project}/import", json=json.loads((folder / "tasks.json").read_text()))
    plain = eve.get(f"/api/projects/{project}/export", params={"exportType": "JSON", "download_all_tasks": "true"})
    (out / "plain.json").write_text(json.dumps(plain))
    (out / "snapshot.json").write_text(json.dumps(snapshot(eve, project)))
    change(eve, project, min(task["id"] for task in plain))
    (out / "changed.json").write_text(json.dumps(snapshot(eve, project)))
    counts = ("task_count", "annotation_count", "prediction_count")
    print(json.dumps({name: taken.get(name) for name in counts}))
