"""Guards: what passes, what does not, and what holds when nobody can be asked."""

import asyncio
import socket

import pytest

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
