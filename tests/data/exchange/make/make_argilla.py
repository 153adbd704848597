"""Argilla: records with responses of two users, notes, a suggestion and a discarded response, written by its own
classes (no server is needed for these).

Run: pip install argilla==$VERSION requests; python make_argilla.py ../argilla
"""

import sys
import uuid
from pathlib import Path

import argilla as rg
from argilla.records._io import JsonIO
from argilla_offline import connect
from replies import GUIDANCE, REPLIES

out = Path(sys.argv[1])
(out / ".argilla").mkdir(parents=True, exist_ok=True)
connect()
settings = rg.Settings(
    guidelines="Is it investment advice?",
    fields=[rg.TextField(name="prompt"), rg.TextField(name="response")],
    questions=[rg.LabelQuestion(name="advice", labels=list(GUIDANCE)), rg.TextQuestion(name="why", required=False)],
)
settings.to_json(out / ".argilla" / "settings.json")
mia, ben = (uuid.uuid5(uuid.NAMESPACE_DNS, name) for name in ("mia", "ben"))
records = []
for number, (question, answer, label) in enumerate(REPLIES):
    responses = [rg.Response("advice", label, user_id=mia, status="submitted")]
    if number == 0:
        responses.append(rg.Response("why", "It says “everything”.", user_id=mia, status="submitted"))
    if number < 3:
        responses.append(rg.Response("advice", "advice", user_id=ben, status="submitted"))
    if number == 4:
        responses.append(rg.Response("advice", "advice", user_id=ben, status="discarded"))
    records.append(
        rg.Record(
            id=f"reply-{number}",
            fields={"prompt": question, "response": answer},
            metadata={"topic": "banking"},
            responses=responses,
            suggestions=[rg.Suggestion("advice", "no_advice", score=0.7, agent="gpt-judge")],
        )
    )
JsonIO.to_json(records, out / "records.json")
