"""RuleJudge: a rule file as a Judge. Where no rule speaks it gives the file's default, or abstains."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

from assay.judging.label_only import label_only
from assay.judging.rule_file import RuleFile, compiled, read_rules
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.ids import digest_json, short
from assay.schema.records import to_jsonable
from assay.schema.verdict import Abstained, Decided, Verdict


class RuleJudge:
    """Answers one criterion by rules. Its verdicts have probability 1: a rule does not know how sure it is."""

    def __init__(self, file: RuleFile, criterion: Criterion) -> None:
        self.criterion = criterion
        self._file = file
        self._rules = compiled(file, criterion)
        self._id = f"{file.name}-{short(digest_json([to_jsonable(file), criterion.digest]))}"

    @classmethod
    def read(cls, path: Path, criterion: Criterion) -> Self:
        """A judge from a rule file. Raises NotFoundError, InputError."""
        return cls(read_rules(path), criterion)

    @property
    def id(self) -> str:
        """The rules' name with the digest of their text and of the criterion."""
        return self._id

    def judge(self, example: Example) -> Verdict:
        """The verdict on one example; the reason code names the rule that spoke."""
        began = time.perf_counter()
        speaking = next((rule for rule in self._rules if rule.speaks(example)), None)
        label = self._file.default if speaking is None else speaking.label
        latency_ms = (time.perf_counter() - began) * 1000
        if label is None:
            return Abstained(
                reason="no rule speaks of this example",
                probabilities={},
                scores={},
                judge=self.id,
                latency_ms=latency_ms,
                mode="verdict",
                route="rules",
                reason_code="no-rule",
            )
        probabilities, scores = label_only(label, self.criterion)
        return Decided(
            label=label,
            probability=1.0,
            probabilities=probabilities,
            scores=scores,
            judge=self.id,
            latency_ms=latency_ms,
            mode="verdict",
            route="rules",
            reason_code="default-rule" if speaking is None else f"rule-{speaking.number}",
        )

    def judge_many(
        self, examples: Iterable[Example], on_batch: Callable[[int], None] | None = None
    ) -> Iterator[Verdict]:
        """One verdict an example, in order."""
        for example in examples:
            verdict = self.judge(example)
            if on_batch is not None:
                on_batch(1)
            yield verdict

    async def judge_within(self, example: Example, timeout_s: float) -> Verdict:
        """The verdict on one example, in a thread: a text of a megabyte would hold up the event loop."""
        async with asyncio.timeout(timeout_s):
            return await asyncio.to_thread(self.judge, example)
