"""A larger judge of the same server decides a band; where it cannot, its error is the reason."""

import asyncio
from contextlib import nullcontext

import pytest

from assay.schema.errors import DeadlineExceededError, NotFoundError
from assay.schema.example import Example
from assay.schema.verdict import Decided
from assay.serving.fallback import FallbackChain
from assay.serving.judges_loaded import ReadyJudge
from assay.serving.larger import LargerJudge

DECIDED = Decided(label="yes", probability=1, probabilities={"yes": 1}, scores={"yes": 0}, judge="large", latency_ms=1)


class Large:
    id = "large"

    def __init__(self, error=None):
        self.error = error

    async def judge_async(self, example, *, deadline_s, priority, mode):
        if self.error is not None:
            raise self.error
        return DECIDED


def ask(version, judge, missing=None):
    class Judges:
        async def using(self, version_id, deadline_s):
            if missing is not None:
                raise missing
            return nullcontext(ReadyJudge(version=version, judge=judge, chain=FallbackChain(version, [])))

    return asyncio.run(LargerJudge("large", Judges()).judge_within(Example(id="e", output="x"), 1.0))


def test_its_verdict_is_handed_on(make_version):
    assert ask(make_version(), Large()) == DECIDED


@pytest.mark.parametrize(
    ("judge", "missing", "code"),
    [(Large(DeadlineExceededError("late")), None, "deadline-exceeded"), (Large(), NotFoundError("gone"), "not-found")],
)
def test_what_kept_it_is_the_reason(make_version, judge, missing, code):
    verdict = ask(make_version(), judge, missing)
    assert (verdict.kind, verdict.reason_code) == ("failed", code)
