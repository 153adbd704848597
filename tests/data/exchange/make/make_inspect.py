"""Inspect: an evaluation of canned answers, scored by a rule and by a (canned) grader model, one score edited by hand.

Run: pip install inspect-ai==$VERSION; python make_inspect.py ../inspect
"""

import sys
import tempfile
from pathlib import Path

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.log import ProvenanceData, edit_score, read_eval_log, write_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import ScoreEdit, includes, model_graded_qa
from inspect_ai.solver import generate, system_message
from replies import REPLIES

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)


def said(model, text):
    """An answer with its usage; to count tokens itself, the mock model would fetch a vocabulary."""
    output = ModelOutput.from_content(model, text)
    output.usage = ModelUsage(input_tokens=20, output_tokens=10, total_tokens=30)
    return output


answers = [said("mockllm/model", answer) for _, answer, _ in REPLIES]
grades = [
    said("mockllm/grader", f"The reply is {label}.\n\nGRADE: {'C' if label == 'no_advice' else 'I'}")
    for _, _, label in REPLIES
]
task = Task(
    name="advice",
    dataset=[
        Sample(id=n, input=q, target="no advice", metadata={"topic": "banking"})
        for n, (q, _, _) in enumerate(REPLIES, 1)
    ],
    solver=[system_message("You are a bank's assistant."), generate()],
    scorer=[includes(), model_graded_qa(model=get_model("mockllm/grader", custom_outputs=grades))],
)
model = get_model("mockllm/model", custom_outputs=answers)
with tempfile.TemporaryDirectory() as logs:
    quiet = {"display": "none", "log_realtime": False}
    (log,) = evaluate(task, model=model, log_dir=logs, max_samples=1, max_connections=1, **quiet)
    log = read_eval_log(log.location)
edit = ScoreEdit(
    value="I",
    explanation="It says what not to do.",
    provenance=ProvenanceData(author="mia", reason="second look"),
)
edit_score(log, 5, "model_graded_qa", edit)
write_eval_log(log, str(out / "advice.eval"), format="eval")
log.samples = log.samples[:2]  # JSON is some ten times as large
write_eval_log(log, str(out / "advice.json"), format="json")
