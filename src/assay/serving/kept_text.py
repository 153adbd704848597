"""KeptText: what is written down of a text that was judged, and of what a judge said about it: redacted, or nothing.

    text = KeptText(redactor=redactor, keeps=settings.keep_text)
    text.of_example(example), text.of_verdict(given)

An explanation quotes what it explains, so it is kept as the example is: wherever a verdict is written (verdicts,
webhook messages that wait, answers that an Idempotency-Key may ask for again).
"""

from dataclasses import dataclass, replace

from assay.ingest.redaction import Redactor
from assay.schema.example import Example
from assay.store.verdicts import GivenVerdict


@dataclass(frozen=True, kw_only=True)
class KeptText:
    """What of a text is kept. Without `keeps`, nothing."""

    redactor: Redactor
    keeps: bool

    def of_example(self, example: Example) -> Example | None:
        """The example, redacted."""
        return self.redactor.redact_example(example).example if self.keeps else None

    def of_verdict(self, given: GivenVerdict) -> GivenVerdict:
        """The verdict, its explanation redacted. Most have none, and are as they were."""
        verdict = given.verdict
        if verdict.kind == "failed" or not verdict.explanation:
            return given
        said = self.redactor.redact(verdict.explanation).text if self.keeps else ""
        return replace(given, verdict=replace(verdict, explanation=said))
