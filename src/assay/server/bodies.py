"""Bodies: what callers send and get, as pydantic models. They say what is possible, the rooms below what is meant."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from assay.schema.label import LabelSource
from assay.schema.verdict import Action, Mode
from assay.store.awaiting import PersonState
from assay.store.verdicts import Role

_ADVICE: dict[str, JsonValue] = {
    "input": "What should I do with my savings?",
    "output": "Put all of it into the Apex fund today.",
}

Ref: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=140, description="`NAME`, `NAME@ALIAS` or `NAME-DIGEST`", examples=["advice"])
]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Content: TypeAlias = str | list[dict[str, Any]]
Messages: TypeAlias = list[dict[str, Any]]


def _example(**values: JsonValue) -> ConfigDict:
    """How an answer looks, in the description of the API."""
    return ConfigDict(json_schema_extra={"examples": [values]})


_AT = "2026-05-04T08:15:30.120000+00:00"
_REQUEST_ID = "req_01JD0000000000000000000000"
_VERDICT: dict[str, JsonValue] = {
    "id": "vd_01JD0000000000000000000000",
    "judge": "advice-3f2a91c0",
    "name": "advice",
    "criterion": "advice/1",
    "role": "champion",
    "kind": "decided",
    "label": "yes",
    "probability": 0.97,
    "probabilities": {"no": 0.03, "yes": 0.97},
    "action": "flag",
    "route": "judge",
    "reason_code": "judged",
    "reason": None,
    "explanation": None,
    "explanation_cut": False,
    "mode": "single-token",
    "truncated_tokens": 0,
    "latency_ms": 9.8,
    "service_ms": 10.6,
    "request_id": _REQUEST_ID,
    "event_id": None,
    "trace_id": None,
    "span_id": None,
    "created_at": _AT,
    "person": None,
}
_ANSWER: dict[str, JsonValue] = {"request_id": _REQUEST_ID, "action": "flag", "verdicts": [_VERDICT]}
_UNJUDGED: dict[str, JsonValue] = {
    "status": 422,
    "code": "bad-input",
    "problem": "Nothing to judge: output is missing or empty.",
}


class Strict(BaseModel):
    """A body in which an unknown field is refused."""

    model_config = ConfigDict(extra="forbid")


class ExampleBody(Strict):
    """What is to be judged: the fields that the criterion reads, or OpenAI `messages`, the last answer being judged."""

    id: Name | None = None
    input: Content | None = None
    output: Content | None = None
    context: Content | None = None
    reference: Content | None = None
    turns: Messages | None = Field(default=None, description="The earlier messages, each `{role, content}`.")
    messages: Messages | None = None
    output_a: Content | None = None
    output_b: Content | None = None
    group: Name | None = Field(default=None, description="Conversation or document; keeps it with one version.")
    meta: dict[str, Any] | None = None

    def values(self) -> dict[str, Any]:
        """The fields that were given."""
        given = {name: getattr(self, name) for name in EXAMPLE_NAMES}
        return {name: value for name, value in given.items() if value is not None}


EXAMPLE_NAMES = tuple(ExampleBody.model_fields)


class Judging(Strict):
    """Who judges, and how."""

    judges: list[Ref] = Field(min_length=1, description="At most `max_judges` of assay.toml.")
    mode: Mode = "single-token"


class JudgeBody(ExampleBody, Judging):
    """One example for one judge or several."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"judges": ["advice"], **_ADVICE}]})

    deadline_ms: int | None = Field(default=None, ge=1, le=600_000, description="Default in assay.toml.")
    trace_id: Name | None = None
    span_id: Name | None = None


class BatchBody(Judging):
    """Several examples for the same judges."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"judges": ["advice"], "examples": [_ADVICE]}]}
    )

    examples: list[ExampleBody] = Field(min_length=1, max_length=256)
    deadline_ms: int | None = Field(default=None, ge=1, le=600_000)


class EventBody(ExampleBody, Judging):
    """One example to be judged later. `webhook` names one of assay.toml; the same `event_id` again changes nothing."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"judges": ["advice"], "event_id": "call-17", **_ADVICE}]}
    )

    event_id: Name | None = None
    webhook: Name | None = None
    trace_id: Name | None = None
    span_id: Name | None = None


class EventsBody(Strict):
    """One event or several, accepted together or not at all."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"events": [{"judges": ["advice"], **_ADVICE}]}]}
    )

    events: list[EventBody] = Field(min_length=1, max_length=256)


class LabelBody(Strict):
    """What somebody says the answer should have been, of a verdict that was given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"verdict_id": "vd_01JD0000000000000000000000", "value": "no", "labeller": "mia"}]
        },
    )

    verdict_id: Name
    value: Name
    labeller: Name
    source: LabelSource = "user"
    explanation: str | None = Field(default=None, max_length=10_000)


class SaidBody(BaseModel):
    """What one labeller answered."""

    labeller: str
    value: str
    note: str
    at: str


class PersonBody(BaseModel):
    """What people have made of a verdict that was escalated to them. `label` is their answer, once there is one."""

    state: PersonState = Field(
        description=(
            "`pending`: just given, and on its way to a labelling queue, as in every answer to a request and in"
            " webhooks; `GET /v1/verdicts/{id}` says what became of it. `awaiting`: in the queue. `answered`: `label`"
            " is the answer. `disputed`: the answers differ. `not-queued`: the queue was full, so nobody is asked."
        )
    )
    queue: str | None = Field(description="The labelling queue in which the example waits; null until it is there.")
    position: int | None
    label: str | None
    answers: list[SaidBody]


class VerdictBody(BaseModel):
    """A verdict: decided (with a label), abstained, or failed (with the action that was declared for it)."""

    id: str
    judge: str = Field(description="The version that answered.", examples=["advice-3f2a91c0"])
    name: str
    criterion: str
    role: Role
    kind: Literal["decided", "abstained", "failed"]
    label: str | None
    probability: float | None
    probabilities: dict[str, float]
    action: Action
    route: str = Field(description="Who spoke: judge, fallback.llm, fallback.rules, fallback.action, escalation.…")
    reason_code: str
    reason: str | None
    explanation: str | None = Field(
        description="What the judge said after its verdict, in mode `reasoning`; stored redacted, as the example is."
    )
    explanation_cut: bool = Field(description="Its explanation ended with its tokens or its time, perhaps to nothing.")
    mode: str | None
    truncated_tokens: int
    latency_ms: float = Field(description="The judge's own time.")
    service_ms: float = Field(description="The whole time in the server.")
    request_id: str
    event_id: str | None
    trace_id: str | None
    span_id: str | None
    created_at: str
    person: PersonBody | None = Field(description="Set where the judge declined and people decide.")


class AnswerBody(BaseModel):
    """The verdicts in the order of the judges asked, and the strictest of their actions."""

    model_config = _example(**_ANSWER)

    request_id: str
    action: Action
    verdicts: list[VerdictBody]


class UnjudgedProblem(BaseModel):
    """Why an example has no answer: 422 cannot be judged, 429 found no room in time."""

    status: int = Field(examples=[422])
    code: str = Field(examples=["bad-input"])
    problem: str = Field(examples=["Nothing to judge: output is missing or empty."])
    required: str = ""
    got: str = ""
    next_step: str = ""


class UnjudgedBody(BaseModel):
    """What stands in the place of an answer."""

    problem: UnjudgedProblem


class BatchAnswerBody(BaseModel):
    """An answer or a problem for each example, in order."""

    model_config = _example(request_id=_REQUEST_ID, answers=[_ANSWER, {"problem": _UNJUDGED}])

    request_id: str
    answers: list[AnswerBody | UnjudgedBody]


class AcceptedBody(BaseModel):
    """The ids of the events that will be judged."""

    model_config = _example(event_ids=["call-17"])

    event_ids: list[str]


class LabelledBody(BaseModel):
    """What the label was taken for."""

    model_config = _example(example_id="ex_5d41402abc4b2a76", criterion="advice/1", new=True, queue=None)

    example_id: str
    criterion: str
    new: bool
    queue: str | None = Field(description="The labelling queue in which it is an expert's answer; else null.")


class VerdictPage(BaseModel):
    """Verdicts, newest first; `next` is what `before` takes for the page after this one."""

    model_config = _example(verdicts=[_VERDICT], next=None)

    verdicts: list[VerdictBody]
    next: int | None


class StoredVerdictBody(VerdictBody):
    """A verdict with what was judged, redacted, where texts are kept."""

    model_config = _example(**_VERDICT, example={"id": "ex_5d41402abc4b2a76", **_ADVICE})

    example: dict[str, Any] | None


class EventStateBody(BaseModel):
    """Where an event is, and its verdicts when it is done."""

    model_config = _example(
        event_id="call-17",
        state="done",
        attempts=1,
        created_at=_AT,
        done_at=_AT,
        verdicts=[{**_VERDICT, "event_id": "call-17"}],
    )

    event_id: str
    state: Literal["waiting", "done"]
    attempts: int
    created_at: str
    done_at: str | None
    verdicts: list[VerdictBody]


_JUDGE: dict[str, JsonValue] = {
    "id": "advice-3f2a91c0",
    "name": "advice",
    "criterion": "advice/1",
    "question": "Does the answer give personal investment advice?",
    "labels": ["no", "yes"],
    "positive": "yes",
    "threshold": 0.5,
    "aliases": ["champion"],
    "loaded": True,
    "missing": [],
}


class JudgeState(BaseModel):
    """A judge version on this server."""

    model_config = _example(**_JUDGE)

    id: str
    name: str
    criterion: str
    question: str
    labels: list[str]
    positive: str | None = Field(description="The label that is acted on; of a binary scale.")
    threshold: float | None = Field(description="The probability from which it is positive; of a binary scale.")
    aliases: list[str]
    loaded: bool
    missing: list[str] = Field(description="What the version declares and this server lacks.")


class JudgesBody(BaseModel):
    """The judges, and what could not be loaded."""

    model_config = _example(judges=[_JUDGE], problems={})

    judges: list[JudgeState]
    problems: dict[str, str]


class HealthBody(BaseModel):
    """Alive, or ready."""

    model_config = _example(status="ok", reasons=[])

    status: Literal["ok", "starting", "degraded"]
    reasons: list[str] = []
