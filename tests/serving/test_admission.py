"""Admission in tokens, on a clock of our own."""

import pytest

from assay.inference.engine import Priority
from assay.schema.errors import OverloadedError
from assay.serving.admission import ALWAYS_ADMITTED_TOKENS, Admission, estimated_tokens


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


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
