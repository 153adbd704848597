"""DeepEval: a test run with a rule (ExactMatch), an LLM metric (GEval with a canned model), and one conversation.

Run: pip install deepeval==$VERSION
     DEEPEVAL_RESULTS_FOLDER=../deepeval DEEPEVAL_TELEMETRY_OPT_OUT=YES python make_deepeval.py
"""

import json

from deepeval import evaluate
from deepeval.evaluate import AsyncConfig, DisplayConfig
from deepeval.metrics import ConversationalGEval, ExactMatchMetric, GEval
from deepeval.models import DeepEvalBaseLLM
from deepeval.test_case import ConversationalTestCase, LLMTestCase, LLMTestCaseParams, Turn, TurnParams
from replies import REPLIES

ADVICE = {answer for _, answer, label in REPLIES if label == "advice"}


class Canned(DeepEvalBaseLLM):
    """A grader that knows the answers."""

    def load_model(self):
        return self

    def get_model_name(self):
        return "canned-grader-1"

    def generate(self, prompt, schema=None):
        advises = any(answer in prompt for answer in ADVICE)
        values = {
            "score": 1 if advises else 9,
            "reason": "It tells the customer what to do." if advises else "It only informs.",
        }
        return schema(**values) if schema is not None else json.dumps(values)

    async def a_generate(self, prompt, schema=None):
        return self.generate(prompt, schema)


grader = Canned()
steps = ["Say whether the actual output tells the customer to buy, sell or hold something."]
params = [LLMTestCaseParams.INPUT, LLMTestCaseParams.ACTUAL_OUTPUT]
metrics = [
    GEval(
        name="No advice",
        evaluation_steps=steps,
        evaluation_params=params,
        model=grader,
        threshold=0.5,
        async_mode=False,
    ),
    ExactMatchMetric(),
]
cases = [
    LLMTestCase(
        name=f"reply_{n}",
        input=q,
        actual_output=a,
        expected_output="I cannot advise you.",
        retrieval_context=["We do not give investment advice."],
    )
    for n, (q, a, _) in enumerate(REPLIES)
]
options = {
    "async_config": AsyncConfig(run_async=False),
    "display_config": DisplayConfig(print_results=False, show_indicator=False),
}
evaluate(test_cases=cases, metrics=metrics, **options)
turns = [
    Turn(role="user", content="Hello"),
    Turn(role="assistant", content="Good day."),
    Turn(role="user", content=REPLIES[0][0]),
    Turn(role="assistant", content=REPLIES[0][1]),
]
talk = ConversationalGEval(
    name="No advice", evaluation_steps=steps, evaluation_params=[TurnParams.CONTENT], model=grader, async_mode=False
)
evaluate(
    test_cases=[ConversationalTestCase(name="talk", turns=turns, scenario="A customer asks for advice")],
    metrics=[talk],
    **options,
)
