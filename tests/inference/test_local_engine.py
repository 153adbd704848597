"""LocalEngine: the queue before a runner. The runner here is real code without a model: it answers from token ids."""

import contextlib
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assay.inference.engine import Priority, Request, now
from assay.inference.local_engine import WIDER_AFTER_PASSES, LocalEngine
from assay.inference.runner import OutOfMemory, Read, Work
from assay.models.tokens import TokenRow
from assay.schema.errors import (
    DeadlineExceededError,
    EngineLostError,
    NotFoundError,
    OverloadedError,
    RequestFailedError,
    UnsupportedJudgeError,
)


class CountingRunner:
    """Scores are the first token id; at most `fits` tokens fit; a pass waits until `gate` is open."""

    backend = "torch"
    explains = True

    def __init__(self, fits: int = 1 << 30) -> None:
        self.device = f"of one test: {id(self)}"
        self.fits = fits
        self.gate = threading.Event()
        self.gate.set()
        self.passes: list[list[Work]] = []
        self.judges: set[str] = set()
        self.breaks = False

    def load(self, version: Any, folder: Path) -> Callable[[], None]:
        del folder
        if version.id == "unsupported":
            raise UnsupportedJudgeError("no")
        return lambda: self.judges.add(version.id)

    def unload(self, judge: str) -> None:
        self.judges.discard(judge)

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        places, tokens = [], 0
        for place, work in enumerate(candidates):
            if places and tokens + len(work.ids) > token_budget:
                break
            places.append(place)
            tokens += len(work.ids)
        return places

    def run(self, works: Sequence[Work]) -> list[Read]:
        self.gate.wait(10)
        if self.breaks:
            raise RuntimeError("the device is gone")
        if sum(len(work.ids) for work in works) > self.fits:
            raise OutOfMemory
        self.passes.append(list(works))
        reads = []
        for work in works:
            if work.reads == "next-token":
                last = work.ids[-1]
                reads.append(Read(token=None if last == 3 else last - 1, computed_tokens=1))
            else:
                reads.append(Read(scores=np.array([float(work.ids[0]), 0.0]), computed_tokens=len(work.ids)))
        return reads


@pytest.fixture
def runner() -> CountingRunner:
    return CountingRunner()


@pytest.fixture
def engine(runner):
    made = LocalEngine(runner, token_budget=100)
    made.add(SimpleNamespace(id="judge"), Path())
    yield made
    runner.gate.set()
    made.close()


def request(first: int, length: int = 10, judge: str = "judge") -> Request:
    return Request(judge=judge, row=TokenRow(ids=(first, *[9] * (length - 1)), truncated_tokens=0))


def held(engine: LocalEngine, runner: CountingRunner) -> Any:
    """A first request whose pass has begun and waits, so that what follows queues up."""
    runner.gate.clear()
    first = engine.submit(request(0))
    while not first.running():
        pass
    return first


def test_answers_come_to_whoever_asked(engine):
    futures = [engine.submit(request(number)) for number in range(50)]
    assert [future.result(10).scores[0] for future in futures] == list(range(50))
    assert all(future.result().computed_tokens == 10 for future in futures)


def test_a_lone_request_does_not_wait_for_company(engine, runner):
    assert engine.submit(request(1)).result(10).scores[0] == 1
    assert [len(works) for works in runner.passes] == [1]


def test_what_arrives_during_a_pass_goes_into_the_next_one_within_the_budget(engine, runner):
    held(engine, runner)
    futures = [engine.submit(request(number)) for number in range(25)]
    runner.gate.set()
    for future in futures:
        future.result(10)
    assert [len(works) for works in runner.passes] == [1, 10, 10, 5]


def test_the_urgent_go_first_then_the_earlier_deadline_then_the_earlier_arrival(engine, runner):
    held(engine, runner)
    engine.submit(request(1), priority=Priority.BATCH)
    engine.submit(request(2), priority=Priority.SHADOW)
    engine.submit(request(3), priority=Priority.GUARDRAIL, deadline_s=now() + 60)
    engine.submit(request(4), priority=Priority.GUARDRAIL, deadline_s=now() + 30)
    last = engine.submit(request(5), priority=Priority.BATCH)
    runner.gate.set()
    last.result(10)
    assert [work.ids[0] for work in runner.passes[1]] == [4, 3, 2, 1, 5]


def test_a_request_whose_deadline_passed_in_the_queue_is_told_so_and_not_computed(engine, runner):
    held(engine, runner)
    late = engine.submit(request(1), deadline_s=now() - 1)
    fine = engine.submit(request(2), deadline_s=now() + 60)
    runner.gate.set()
    assert fine.result(10).scores[0] == 2
    with pytest.raises(DeadlineExceededError, match="deadline"):
        late.result(10)
    assert all(work.ids[0] != 1 for works in runner.passes for work in works)


def test_a_cancelled_request_is_taken_out(engine, runner):
    held(engine, runner)
    gone = engine.submit(request(1))
    assert gone.cancel()
    other = engine.submit(request(2))
    runner.gate.set()
    assert other.result(10).scores[0] == 2
    assert all(work.ids[0] != 1 for works in runner.passes for work in works)
    assert engine.waiting_tokens == 0


def test_a_full_queue_refuses_with_the_numbers(runner):
    engine = LocalEngine(runner, queue_tokens=25)
    engine.add(SimpleNamespace(id="judge"), Path())
    held(engine, runner)
    engine.submit(request(1))
    engine.submit(request(2))
    with pytest.raises(OverloadedError, match="20 waiting and 10 more"):
        engine.submit(request(3))
    runner.gate.set()
    engine.close()


def test_a_request_longer_than_the_queue_is_taken_when_nothing_waits(runner):
    engine = LocalEngine(runner, queue_tokens=5)
    engine.add(SimpleNamespace(id="judge"), Path())
    assert engine.submit(request(1, length=50)).result(10).scores[0] == 1
    engine.close()


@pytest.mark.parametrize(("fits", "budget"), [(130, 128), (40, 32), (10, 16)])
def test_out_of_memory_halves_the_budget_and_goes_on(runner, fits, budget):
    runner.fits = fits
    engine = LocalEngine(runner, token_budget=512)
    engine.add(SimpleNamespace(id="judge"), Path())
    held(engine, runner)
    futures = [engine.submit(request(number)) for number in range(60)]
    runner.gate.set()
    assert [future.result(10).scores[0] for future in futures] == list(range(60))
    assert engine.token_budget == budget
    engine.close()


def test_a_smaller_budget_is_said_and_grows_again_when_passes_fit(runner, caplog):
    runner.fits = 40
    engine = LocalEngine(runner, token_budget=64)
    engine.add(SimpleNamespace(id="judge"), Path())
    held(engine, runner)
    futures = [engine.submit(request(number)) for number in range(6)]
    runner.gate.set()
    for future in futures:
        future.result(10)
    assert engine.token_budget == 32
    assert [record.tokens_a_pass for record in caplog.records if record.levelname == "WARNING"] == [32]
    for number in range(WIDER_AFTER_PASSES):
        engine.submit(request(number)).result(10)
    assert engine.token_budget == 64
    engine.close()


def test_a_closed_engine_lets_its_model_go_and_takes_no_judge():
    runner = CountingRunner()
    model = weakref.ref(runner)
    engine = LocalEngine(runner)
    engine.add(SimpleNamespace(id="judge"), Path())
    del runner
    engine.close()
    assert model() is None
    assert engine.lost
    with pytest.raises(EngineLostError, match="closed"):
        engine.add(SimpleNamespace(id="second"), Path())


def test_a_request_that_does_not_fit_alone_fails_alone(runner):
    runner.fits = 40
    engine = LocalEngine(runner, token_budget=512)
    engine.add(SimpleNamespace(id="judge"), Path())
    large = engine.submit(request(1, length=41))
    with pytest.raises(RequestFailedError, match="does not fit"):
        large.result(10)
    assert not engine.lost
    assert engine.submit(request(2)).result(10).scores[0] == 2
    engine.close()


def test_a_judge_that_is_not_there_is_named(engine):
    with pytest.raises(NotFoundError, match="other") as caught:
        engine.submit(request(1, judge="other"))
    assert "judge" in str(caught.value)


def test_removing_a_judge_ends_what_waits_for_it(engine, runner):
    engine.add(SimpleNamespace(id="second"), Path())
    held(engine, runner)
    orphan = engine.submit(request(1, judge="second"))
    kept = engine.submit(request(2))
    threading.Timer(0.05, runner.gate.set).start()  # removal waits for the running pass
    engine.remove("second")
    with pytest.raises(NotFoundError):
        orphan.result(10)
    assert kept.result(10).scores[0] == 2
    assert runner.judges == {"judge"} == set(engine.judges())


def test_removing_a_judge_in_the_middle_of_its_explanation_ends_that_alone(engine, runner):
    engine.add(SimpleNamespace(id="second"), Path())
    runner.gate.clear()
    said = engine.explain(request(1, judge="second"), verdict_token=90, max_tokens=80)
    while not said.running():
        pass
    threading.Timer(0.05, runner.gate.set).start()
    engine.remove("second")
    with pytest.raises(NotFoundError):
        said.result(10)
    assert engine.submit(request(2)).result(10).scores[0] == 2
    assert engine.waiting_tokens == 0


def test_judges_removed_while_others_are_asked_never_end_the_engine(engine):
    """Requests are queued from one thread while judges come and go in another."""
    stop = threading.Event()

    def come_and_go():
        while not stop.is_set():
            engine.add(SimpleNamespace(id="second"), Path())
            engine.remove("second")

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for number in range(300):
            kept = engine.submit(request(number))
            with contextlib.suppress(NotFoundError):
                engine.submit(request(number, judge="second")).exception(10)
            assert kept.result(10).scores[0] == number
    finally:
        stop.set()
        thread.join()
    assert engine.waiting_tokens == 0


def test_a_judge_that_cannot_be_loaded_leaves_the_others_alone(engine):
    with pytest.raises(UnsupportedJudgeError):
        engine.add(SimpleNamespace(id="unsupported"), Path())
    assert engine.judges() == ("judge",)
    assert engine.submit(request(4)).result(10).scores[0] == 4


def test_a_device_that_breaks_ends_everybody_with_the_reason(engine, runner):
    computing = held(engine, runner)
    waiting = engine.submit(request(1))
    runner.breaks = True
    runner.gate.set()
    for future in (computing, waiting):
        with pytest.raises(EngineLostError, match="device is gone"):
            future.result(10)
    with pytest.raises(EngineLostError):
        engine.submit(request(2))


def test_closing_ends_what_waits_and_can_be_done_twice(engine, runner):
    held(engine, runner)
    waiting = engine.submit(request(1))
    threading.Timer(0.05, runner.gate.set).start()
    engine.close()
    engine.close()
    with pytest.raises(EngineLostError, match="closed"):
        waiting.result(10)


def test_an_explanation_is_decoded_a_token_a_pass_until_its_end(engine, runner):
    said = engine.explain(request(1), verdict_token=7, max_tokens=20).result(10)
    assert said.tokens == (6, 5, 4, 3)
    assert not said.cut
    assert [work.ids[-1] for works in runner.passes for work in works] == [7, 6, 5, 4, 3]
    assert all(work.lasting == len(work.ids) for works in runner.passes for work in works)


def test_an_explanation_stops_at_its_limit(engine):
    said = engine.explain(request(1), verdict_token=50, max_tokens=3).result(10)
    assert (said.tokens, said.cut) == ((49, 48, 47), True)


def test_others_are_answered_between_the_tokens_of_an_explanation(engine, runner):
    held(engine, runner)
    said = engine.explain(request(1), verdict_token=60, max_tokens=40)
    urgent = engine.submit(request(2), priority=Priority.GUARDRAIL)
    runner.gate.set()
    urgent.result(10)
    assert said.result(10).cut
    assert len(runner.passes[1]) == 2  # in one pass with the explanation's first token


def test_an_encoder_cannot_explain_and_others_go_on(engine, runner):
    runner.explains = False
    with pytest.raises(UnsupportedJudgeError, match="encoder"):
        engine.explain(request(1), verdict_token=1, max_tokens=2)
    assert engine.submit(request(2)).result(10).scores[0] == 2
