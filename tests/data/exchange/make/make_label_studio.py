"""Label Studio: a project labelled by two annotators with notes, a skipped task, a rating and a prediction, exported by
its server as JSON. Starts a server on 127.0.0.1 and ends it.

Run: pip install label-studio==$VERSION httpx; python make_label_studio.py ../label_studio
"""

import json
import sys
import tempfile
from pathlib import Path

from label_studio_server import Server
from replies import GUIDANCE, REPLIES

CONFIG = f"""<View>
  <Text name="question" value="$prompt"/>
  <Text name="reply" value="$response"/>
  <Choices name="advice" toName="reply" choice="single">
    {"".join(f'<Choice value="{label}" hint="{hint}"/>' for label, hint in GUIDANCE.items())}
  </Choices>
  <Rating name="tone" toName="reply" maxRating="5"/>
  <Labels name="spans" toName="reply"><Label value="imperative"/></Labels>
  <TextArea name="why" toName="reply"/>
</View>"""


def answer(label, note=None, tone=None, span=None):
    results = [{"from_name": "advice", "to_name": "reply", "type": "choices", "value": {"choices": [label]}}]
    if note:
        results.append({"from_name": "why", "to_name": "reply", "type": "textarea", "value": {"text": [note]}})
    if tone:
        results.append({"from_name": "tone", "to_name": "reply", "type": "rating", "value": {"rating": tone}})
    if span:
        value = {"start": 0, "end": len(span), "text": span, "labels": ["imperative"]}
        results.append({"from_name": "spans", "to_name": "reply", "type": "labels", "value": value})
    return {"result": results, "lead_time": 4.2}


out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
    mia, ben = server.sign_up("mia@example.org"), server.sign_up("ben@example.org")
    project = mia.post("/api/projects", json={"title": "advice", "label_config": CONFIG})["id"]
    tasks = [{"data": {"prompt": q, "response": a, "topic": "banking"}} for q, a, _ in REPLIES]
    tasks[0]["predictions"] = [{"model_version": "gpt-judge", "score": 0.7, "result": answer("no_advice")["result"]}]
    mia.post(f"/api/projects/{project}/import", json=tasks)
    listed = mia.get("/api/tasks", params={"project": project, "page_size": 100})["tasks"]
    listed.sort(key=lambda task: task["id"])
    for place, (task, (_, reply, label)) in enumerate(zip(listed, REPLIES, strict=True)):
        url = f"/api/tasks/{task['id']}/annotations"
        mia.post(
            url, json=answer(label, note=f"It is {label}." if place == 0 else None, tone=2 if place == 0 else None)
        )
        if place < 3:
            ben.post(url, json=answer("advice", span=reply[:10] if place == 0 else None))
        if place == 4:
            ben.post(url, json={"result": [], "was_cancelled": True})
    exported = mia.get(f"/api/projects/{project}/export", params={"exportType": "JSON"})
    (out / "project.json").write_text(json.dumps(exported, indent=1, ensure_ascii=False) + "\n")
    small = mia.get(f"/api/projects/{project}/export", params={"exportType": "JSON_MIN"})
    (out / "project_min.json").write_text(json.dumps(small, indent=1, ensure_ascii=False) + "\n")
