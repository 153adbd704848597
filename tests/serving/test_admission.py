"""Admission in tokens, on a clock of our own."""

import asyncio
import time

import pytest

from assay.inference.engine import Priority
from assay.schema.errors import OverloadedError
from assay.serving.admission import ALWAYS_ADMITTED_TOKENS, Admission, estimated_tokens


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def clock():
    return Clock()


def worked(admission, clock, tokens, seconds):
    """So many tokens were done in so many seconds."""
    with admission.admitted(tokens=tokens, priority=Priority.GUARDRAIL, left_s=60.0):
        clock.now += seconds


def test_the_rate_counts_busy_time_only(clock):
    admission = Admission(max_tokens=10**9, clock=clock)
    assert admission.tokens_per_s is None
    worked(admission, clock, 20_000, 1.0)
    clock.now += 1000.0  # a quiet time
    worked(admission, clock, 20_000, 1.0)
    assert admission.tokens_per_s == pytest.approx(20_000)


def test_what_would_wait_for_more_than_half_of_its_time_is_refused(clock):
    admission = Admission(max_tokens=10**9, clock=clock)
    worked(admission, clock, 100_000, 1.0)  # 100,000 tokens a second: 1 s allows 50,000 in flight
    with admission.admitted(tokens=49_000, priority=Priority.GUARDRAIL, left_s=1.0):
        with admission.admitted(tokens=1000, priority=Priority.GUARDRAIL, left_s=1.0):
            pass
        with (
            pytest.raises(OverloadedError) as refusal,
            admission.admitted(tokens=21_000, priority=Priority.GUARDRAIL, left_s=1.0),
        ):
            pass
        with admission.admitted(tokens=21_000, priority=Priority.GUARDRAIL, left_s=2.0):  # it has the time
            pass
    assert refusal.value.retry_after_s == pytest.approx(0.2, abs=0.01)  # 20,000 over the bound, at 100,000 a second
    assert admission.tokens_in_flight == 0


def test_less_urgent_work_is_refused_first(clock):
    admission = Admission(max_tokens=100_000, clock=clock)
    with admission.admitted(tokens=50_000, priority=Priority.GUARDRAIL, left_s=60.0):
        for priority, is_let_in in [
            (Priority.GUARDRAIL, True),
            (Priority.ASYNCHRONOUS, True),
            (Priority.BATCH, False),
            (Priority.SHADOW, False),
        ]:
            try:
                with admission.admitted(tokens=5000, priority=priority, left_s=60.0):
                    assert is_let_in
            except OverloadedError:
                assert not is_let_in


def test_one_request_alone_is_always_let_in(clock):
    admission = Admission(max_tokens=10, clock=clock)
    with admission.admitted(tokens=5000, priority=Priority.SHADOW, left_s=0.001):
        assert admission.tokens_in_flight == 5000


def test_a_slow_engine_may_still_have_some_work_in_flight(clock):
    admission = Admission(max_tokens=10**9, clock=clock)
    worked(admission, clock, 10, 1.0)
    assert admission.bound(Priority.GUARDRAIL, 1.0) == ALWAYS_ADMITTED_TOKENS


def test_a_request_that_breaks_gives_its_tokens_back(clock):
    admission = Admission(max_tokens=100, clock=clock)
    with pytest.raises(ZeroDivisionError), admission.admitted(tokens=90, priority=Priority.GUARDRAIL, left_s=1.0):
        raise ZeroDivisionError
    assert admission.tokens_in_flight == 0


def test_tokens_are_estimated_from_characters_for_each_judge():
    assert estimated_tokens(400, 2) == 2 * (400 // 4 + 16)


def test_work_that_was_not_done_does_not_make_the_engine_look_fast(clock):
    admission = Admission(max_tokens=10**9, clock=clock)
    with admission.admitted(tokens=1000, priority=Priority.GUARDRAIL, left_s=1.0) as admitted:
        clock.now += 1.0
        admitted.done_tokens -= 750  # three of four judges ran out of time
    assert admission.tokens_per_s == pytest.approx(250)


@pytest.mark.anyio
async def test_those_who_wait_are_let_in_in_turn_as_there_is_room():
    admission, came = Admission(max_tokens=100), []

    async def work(name, tokens):
        await admission.room(tokens=tokens, priority=Priority.GUARDRAIL, deadline_s=time.monotonic() + 30)
        with admission.admitted(tokens=tokens, priority=Priority.GUARDRAIL, left_s=30):
            came.append((name, admission.tokens_in_flight))
            await asyncio.sleep(0.001)

    await asyncio.gather(work("a", 60), work("b", 50), work("c", 40), work("d", 70))
    assert came == [("a", 60), ("b", 50), ("c", 90), ("d", 70)]  # c fits beside a, but does not pass b


@pytest.mark.anyio
async def test_whoever_waits_is_refused_at_the_deadline_and_the_next_one_goes_on_waiting():
    admission = Admission(max_tokens=100)
    with admission.admitted(tokens=90, priority=Priority.GUARDRAIL, left_s=30):
        late = asyncio.create_task(
            admission.room(tokens=20, priority=Priority.GUARDRAIL, deadline_s=time.monotonic() + 0.02)
        )
        patient = asyncio.create_task(
            admission.room(tokens=30, priority=Priority.GUARDRAIL, deadline_s=time.monotonic() + 30)
        )
        with pytest.raises(OverloadedError, match="more to judge"):
            await late
        assert not patient.done()
    await patient
