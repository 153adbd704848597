"""The shape of a verdict on its way out: what HTTP answers and webhooks say, as plain JSON values."""

from typing import Any

from assay.schema.records import to_jsonable
from assay.schema.verdict import BY_PEOPLE
from assay.store.awaiting import Awaiting
from assay.store.verdicts import GivenVerdict

_NOT_YET: dict[str, Any] = {"state": "pending", "queue": None, "position": None, "label": None, "answers": []}


def plain_verdict(given: GivenVerdict, awaiting: Awaiting | None = None) -> dict[str, Any]:
    """A verdict as callers see it. What a kind does not have is null. `awaiting` is where it stands with people now; a
    verdict that has just been given is not written yet, and whether its queue will take it is not known: `pending`.
    """
    verdict = given.verdict
    label = probability = reason = mode = None
    probabilities: dict[str, float] = {}
    truncated_tokens = 0
    explanation, explanation_cut = None, False
    if verdict.kind == "decided":
        label, probability = verdict.label, verdict.probability
    else:
        reason = verdict.reason
    if verdict.kind != "failed":
        mode, truncated_tokens = verdict.mode, verdict.truncated_tokens
        probabilities = dict(verdict.probabilities)
        explanation, explanation_cut = verdict.explanation or None, verdict.explanation_cut
    return {
        "id": given.id,
        "judge": verdict.judge,
        "name": given.name,
        "criterion": given.criterion,
        "role": given.role,
        "kind": verdict.kind,
        "label": label,
        "probability": probability,
        "probabilities": probabilities,
        "action": given.action,
        "route": verdict.route,
        "reason_code": verdict.reason_code,
        "reason": reason,
        "explanation": explanation,
        "explanation_cut": explanation_cut,
        "mode": mode,
        "truncated_tokens": truncated_tokens,
        "latency_ms": round(verdict.latency_ms, 3),
        "service_ms": round(given.service_ms, 3),
        "request_id": given.request_id,
        "event_id": given.event_id,
        "trace_id": given.trace_id,
        "span_id": given.span_id,
        "created_at": given.created_at,
        "person": _plain_person(given, awaiting),
    }


def _plain_person(given: GivenVerdict, awaiting: Awaiting | None) -> dict[str, Any] | None:
    """What people have made of an escalated verdict."""
    if awaiting is not None:
        plain: dict[str, Any] = to_jsonable(awaiting)
        return {name: plain[name] for name in _NOT_YET}
    return dict(_NOT_YET) if given.verdict.route == BY_PEOPLE and given.role != "shadow" else None
