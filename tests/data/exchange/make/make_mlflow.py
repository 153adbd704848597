"""MLflow: traces with feedback of people, of an LLM judge and of code, an expectation; in SQLite and as JSON.

Run: pip install mlflow==$VERSION; python make_mlflow.py ../mlflow
"""

import gzip
import sqlite3
import sys
from pathlib import Path

import mlflow
from mlflow.entities import AssessmentSource, Document
from replies import REPLIES

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
store = out / "mlflow.db"
mlflow.set_tracking_uri(f"sqlite:///{store}")
mlflow.set_experiment("advice")
ANSWERS = {question: answer for question, answer, _ in REPLIES}


@mlflow.trace(span_type="RETRIEVER")
def retrieve(question):
    return [Document(page_content="We do not give investment advice.", metadata={"doc_uri": "policy.md"})]


@mlflow.trace
def assistant(question):
    retrieve(question)
    return {"answer": ANSWERS[question]}


def person(name):
    return AssessmentSource(source_type="HUMAN", source_id=name)


ids = []
for number, (question, answer, label) in enumerate(REPLIES):
    assistant(question)
    mlflow.flush_trace_async_logging()
    trace_id = mlflow.get_last_active_trace_id()
    ids.append(trace_id)
    judge = AssessmentSource(source_type="LLM_JUDGE", source_id="gpt-judge")
    code = AssessmentSource(source_type="CODE", source_id="length.py")
    mlflow.log_feedback(
        trace_id=trace_id, name="advice", value=label, source=person("mia"), rationale=f"It is {label}."
    )
    if number < 3:
        mlflow.log_feedback(trace_id=trace_id, name="advice", value="advice", source=person("ben"))
    mlflow.log_feedback(trace_id=trace_id, name="advice", value="no_advice", source=judge, rationale="It informs.")
    mlflow.log_feedback(trace_id=trace_id, name="short", value=len(answer) < 50, source=code)
    if number == 1:
        mlflow.log_expectation(
            trace_id=trace_id, name="expected_response", value="It holds an index.", source=person("mia")
        )
with (out / "traces.jsonl").open("w") as file:
    for trace_id in ids:
        file.write(mlflow.get_trace(trace_id).to_json() + "\n")
with sqlite3.connect(store) as database:
    database.execute("PRAGMA journal_mode = DELETE")
sqlite3.connect(store).execute("VACUUM")
(out / "mlflow.db.gz").write_bytes(gzip.compress(store.read_bytes(), 9, mtime=0))
store.unlink()
