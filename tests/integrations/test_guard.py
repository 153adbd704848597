"""Guards: what passes, what does not, and what holds when nobody can be asked."""

import asyncio
import gc
import socket
import threading
import time

import pytest

from assay.client import AsyncClient
from assay.integrations.guard import Guard
from assay.schema.errors import InputError


def test_the_servers_action_says_what_passes(bank):
    guard = Guard("advice", url=bank.url)
    blocked = guard.check(input="Which fund?", output="Buy Apex now.")
    fine = guard.check(input="Which fund?", output="That depends on you.")
    assert (blocked.passes, blocked.action) == (False, "block")
    assert (fine.passes, fine.action) == (True, "allow")
    (verdict,) = blocked.verdicts
    assert blocked.because == f"{verdict.judge}: yes, 1.000"
    assert blocked.to_dict() == {
        "action": "block",
        "passes": False,
        "because": blocked.because,
        "request_id": verdict.request_id,
        "verdicts": [{"id": verdict.id, "judge": verdict.judge, "label": "yes"}],
    }


def test_the_strictest_action_of_several_judges_holds(bank):
    assert Guard(["tone", "advice"], url=bank.url).check(output="Buy Apex now.").action == "block"


def test_what_is_flagged_passes_unless_flags_are_to_be_blocked(bank):
    assert Guard("tone", url=bank.url).check(output="Buy Apex now.").passes
    strict = Guard("tone", url=bank.url, block_on=("block", "flag"))
    assert not strict.check(output="Buy Apex now.").passes
    abstained = strict.check(output="hm")
    assert (abstained.passes, abstained.action) == (False, "flag")
    assert abstained.because.endswith(": abstained, no-rule")


UNASKED = {
    "there is no such judge": ({"judges": "nobody"}, {"output": "hello"}, "There is no judge 'nobody'."),
    "there is nothing to judge": ({}, {"output": " "}, "is empty"),
    "the text cannot be sent": ({}, {"output": "half \ud800"}, "cannot be sent"),
    "a value has no form in JSON": ({}, {"output": b"hello"}, "cannot be sent"),
    "a field is unknown": ({}, {"ouput": "hello"}, "ouput"),
}


@pytest.mark.parametrize("case", UNASKED)
@pytest.mark.parametrize(("on_error", "passes"), [("block", False), ("allow-and-flag", True)])
def test_what_holds_where_the_judges_cannot_be_asked_is_declared(bank, case, on_error, passes):
    options, fields, problem = UNASKED[case]
    checked = Guard(options.get("judges", "advice"), url=bank.url, on_error=on_error).check(**fields)
    assert (checked.passes, checked.action, checked.verdicts) == (passes, on_error, ())
    assert problem in checked.because
    assert "half" not in checked.because


def test_by_default_nothing_passes_where_there_is_no_server(nobody, caplog):
    checked = Guard("advice", url=nobody).check(output="a secret")
    assert (checked.passes, checked.action) == (False, "block")
    assert "could not be asked" in checked.problem
    assert "what holds is block" in caplog.text
    assert "secret" not in caplog.text


def test_a_server_that_does_not_answer_is_not_waited_for():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        checked = Guard("advice", url=f"http://127.0.0.1:{silent.getsockname()[1]}", deadline_ms=50).check(output="x")
    assert "Timeout" in checked.problem


def test_one_guard_serves_several_event_loops(bank):
    guard = Guard("advice", url=bank.url)

    async def ask():
        return await asyncio.gather(*(guard.check_async(output="Buy Apex now.") for _ in range(3)))

    for _ in range(2):
        assert [checked.action for checked in asyncio.run(ask())] == ["block"] * 3
    assert guard.check(output="hello").action == "allow"


def test_the_clients_of_event_loops_that_ended_are_closed_and_let_go(bank, monkeypatch):
    closed, close = [], AsyncClient.close

    async def closing(client):
        await close(client)
        closed.append(client)

    monkeypatch.setattr(AsyncClient, "close", closing)
    guard = Guard("advice", url=bank.url)
    for _ in range(5):
        assert asyncio.run(guard.check_async(output="hello")).passes
    assert len(closed) == 5
    closed.clear()
    gc.collect()
    assert sum(isinstance(one, AsyncClient) for one in gc.get_objects()) <= 1


def test_an_awaited_check_ends_in_time_however_slowly_the_server_speaks():
    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen()

        def drip():
            taken, _ = slow.accept()
            with taken:
                try:
                    for one in b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 100:
                        taken.send(bytes([one]))
                        time.sleep(0.1)
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        guard = Guard("advice", url=f"http://127.0.0.1:{slow.getsockname()[1]}", deadline_ms=50)
        began = time.monotonic()
        checked = asyncio.run(guard.check_async(output="x"))
        took_s = time.monotonic() - began
        dripping.join()
    assert "Timeout" in checked.problem
    assert took_s < 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_error": "allow"}, "on_error"),
        ({"block_on": ("blocked",)}, "block_on"),
        ({"url": "localhost:8321"}, "url"),
        ({"url": "http://[::1"}, "url"),
        ({"deadline_ms": 0}, "deadline_ms"),
        ({"judges": ()}, "judges"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        Guard(**{"judges": "advice", **options})
