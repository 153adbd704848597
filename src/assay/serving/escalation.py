"""Escalator: who decides what a judge declined. A language model, a larger judge, or people.

    verdict = await escalator.escalate(example, abstained, deadline_s=time.monotonic() + 1.5)

Where the larger one cannot decide (no time, no answer, the month's cap is spent, it abstains too) the version's
declared default does: a label, the judge's own threshold, or nobody (the verdict stays Abstained). `route` says who
decided, `reason_code` why: in-band, or what kept the larger one from deciding. A guardrail does not wait for people:
its verdict is the default meanwhile, and says that it awaits them; the example comes to their queue with the verdict,
in the transaction that writes it.
"""

import time
from dataclasses import replace

from assay.schema.example import Example
from assay.schema.fallback import THRESHOLD_DECIDES, Escalation
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import AWAITING_PERSON, BY_PEOPLE, Abstained, Decided, Verdict
from assay.serving.rung import ReadyRung, Silence

NO_QUEUE = "there is no queue for people here"
_BY_DEFAULT = "escalation.default"


class Escalator:
    """The escalation of one judge version. Never raises.

    Args:
        version: whose escalation it is.
        escalation: to whom.
        larger: the model or judge; None where it goes to people.
        no_people: why people cannot be asked here; empty where they can.

    """

    def __init__(
        self, version: JudgeVersion, escalation: Escalation, larger: ReadyRung | None, no_people: str = NO_QUEUE
    ) -> None:
        self.version = version
        self._escalation = escalation
        self._larger = larger
        self._no_people = no_people

    @property
    def missing(self) -> tuple[str, ...]:
        """Why the version's escalation cannot work here, for readiness and logs."""
        if self._escalation.to == "human":
            return (self._no_people,) if self._no_people else ()
        return (self._larger.missing,) if self._larger is not None and self._larger.missing else ()

    async def escalate(self, example: Example, verdict: Abstained, *, deadline_s: float | None = None) -> Verdict:
        """The larger one's decision, or the default's. `deadline_s` is on the monotonic clock."""
        if self._larger is None:
            return self._to_people(verdict)
        began = time.monotonic()
        said = await self._larger.ask(example, deadline_s)
        latency_ms = verdict.latency_ms + (time.monotonic() - began) * 1000
        if isinstance(said, Silence):
            return replace(self._by_default(verdict, _BY_DEFAULT, said.code), latency_ms=latency_ms)
        route = f"escalation.{self._escalation.to}"
        return replace(said, judge=self.version.id, route=route, reason_code="in-band", latency_ms=latency_ms)

    def _to_people(self, verdict: Abstained) -> Decided | Abstained:
        if self._no_people:
            return self._by_default(verdict, _BY_DEFAULT, "not-configured")
        return self._by_default(verdict, BY_PEOPLE, AWAITING_PERSON)

    def _by_default(self, verdict: Abstained, route: str, code: str) -> Decided | Abstained:
        label = self._default_label(verdict)
        if label is None:
            return replace(verdict, route=route, reason_code=code)
        return Decided(
            label=label,
            probability=verdict.probabilities[label],
            probabilities=verdict.probabilities,
            scores=verdict.scores,
            judge=verdict.judge,
            latency_ms=verdict.latency_ms,
            mode=verdict.mode,
            route=route,
            truncated_tokens=verdict.truncated_tokens,
            reason_code=code,
        )

    def _default_label(self, verdict: Abstained) -> str | None:
        default, scale = self._escalation.default, self.version.criterion.scale
        if default != THRESHOLD_DECIDES:
            return default
        threshold = self.version.decision.threshold
        if scale.positive is None or threshold is None:
            return max(verdict.probabilities, key=lambda label: verdict.probabilities[label])
        if verdict.probabilities[scale.positive] >= threshold:
            return scale.positive
        return next(label for label in scale.labels if label != scale.positive)
