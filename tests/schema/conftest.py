"""One full sample of every record that Assay writes."""

from typing import Any

import pytest

from assay.schema.certificate import Certificate, CertifiedThreshold
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.dataset import DatasetVersion, FrozenRow, Waiver
from assay.schema.example import Example
from assay.schema.fallback import Escalation, LlmRung, RulesRung
from assay.schema.gate import Gate, GateDecision
from assay.schema.judge_version import BackboneRef, Calibration, Decision, JudgeVersion, Rendering
from assay.schema.label import Label, Target
from assay.schema.trace import ImagePart, TextPart, Turn
from assay.schema.verdict import Abstained, Decided, Failed

CRITERION = Criterion(
    name="advice",
    version="1",
    question="Is this advice?",
    reads=("turns", "output"),
    scale=Scale(
        kind="binary", levels=(Level(label="yes", guidance="names a product"), Level(label="no")), positive="yes"
    ),
    base_rate=0.02,
    description="personal advice",
)
EXAMPLE = Example(
    id="e1",
    input="May I?",
    output=(TextPart(text="look"), ImagePart(blob="0" * 64)),
    context="",
    turns=(Turn(role="user", content="hello"), Turn(role="assistant", content=(TextPart(text="hi"),))),
    source="synthetic",
    group="g1",
    weight=2.5,
    meta={"topic": "bonds", "tags": ["a", 1, None, {"deep": True}]},
)
LABEL = Label(
    example_id="e1", value="yes", labeller="mia", source="expert", criterion="advice/1", created_at="2026-01-01"
)
TARGET = Target(value="yes", source="expert", votes={"yes": 2, "no": 1}, agreement=2 / 3)
VERSION = JudgeVersion(
    name="advice",
    criterion=CRITERION,
    family="decoder",
    method="lora",
    backbone=BackboneRef(name="x/y", revision="abc", architecture="Llama", weights_digest="0" * 64, parameters=135),
    rendering=Rendering(
        template="verdict.v1",
        layout="content-first",
        reads=("turns", "output"),
        max_tokens=256,
        truncate=("turns", "output"),
        label_tokens={"yes": 5, "no": 6},
        label_texts={"yes": "A", "no": "B"},
        invocation_tokens=(7, 8, 9),
    ),
    calibration=Calibration(
        calibrator="temperature.v1",
        parameters={"temperature": 1.5},
        fitted_base_rate={"yes": 0.5, "no": 0.5},
        production_base_rate={"yes": 0.02, "no": 0.98},
        rate_source="declared",
        rows=100,
    ),
    decision=Decision(threshold=0.4, policy="max-f1", abstain_low=0.3, abstain_high=0.6, low_fpr_threshold=0.9),
    fallback="block",
    modes=("single-token",),
    dtype="bfloat16",
    dataset="advice-data-00000000",
    dataset_digest="0" * 64,
    training={"seed": 0, "method": "lora"},
    files={"adapter/adapter_model.safetensors": "1" * 64},
    parent="advice-11111111",
    created_at="2026-01-01T00:00:00.000000+00:00",
    fallback_chain=(LlmRung(endpoint="default", model="m"), RulesRung()),
    escalation=Escalation(to="human", default="threshold"),
    certificate=Certificate(
        risk=0.05,
        confidence=0.95,
        sides="negative",
        drawn="uniform",
        stated_by="queue q",
        method="exact binomial",
        rows=100,
        rows_digest="3" * 64,
        negative=CertifiedThreshold(threshold=0.3, rows=80, wrong=1, bound=0.04),
        positive=None,
        decided_share=0.8,
        decided_share_low=0.7,
        decided_share_high=0.9,
    ),
)
DATASET = DatasetVersion(
    id="advice-data-00000000",
    digest="0" * 64,
    criterion=CRITERION,
    rows_blob="2" * 64,
    seed=3,
    counts={"train": {"yes": 3, "no": 4}},
    deciding_sources={"train": {"expert": 7}},
    agreement={"kappa": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 50}},
    settings={"shares": {"train": 1.0}},
    dropped={"tied labels": 1},
    waiver=Waiver(accept_labels=("expert", "crowd"), min_test_per_class=20),
    created_at="2026-01-01T00:00:00.000000+00:00",
)
GATE = Gate(name="rows", required="≥ 100", measured=120, low=None, high=None, passed=True, why="")
SCORED: dict[str, Any] = {
    "probabilities": {"yes": 0.75, "no": 0.25},
    "scores": {"yes": -0.3, "no": -1.4},
    "judge": "advice-00000000",
    "latency_ms": 1.5,
}
RECORDS = (
    CRITERION,
    EXAMPLE,
    LABEL,
    TARGET,
    VERSION,
    DATASET,
    FrozenRow(example=EXAMPLE, labels=(LABEL,), target=TARGET, split="train", component="e1"),
    GateDecision(judge="advice-00000000", dataset="advice-data-00000000", gates=(GATE,)),
    Decided(label="yes", probability=0.75, truncated_tokens=3, **SCORED),
    Abstained(reason="in the band", **SCORED),
    Failed(reason="bad-input: no text", action="allow-and-flag", judge="advice-00000000"),
)


@pytest.fixture(params=RECORDS, ids=lambda record: type(record).__name__)
def record(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def version() -> JudgeVersion:
    return VERSION


@pytest.fixture
def example() -> Example:
    return EXAMPLE
