"""Spans that are judged together: when a trace or session closes, what kill -9 leaves of it, and what comes late."""

import asyncio
import dataclasses

import httpx
import pytest
from server_process import ServerProcess
from spans_sent import exported, span

from assay.ingest.spans import conversation

TRACES = [f"{number:032x}" for number in range(1, 4)]
KEY = "gen_ai.conversation.id"


def judged_by(shop, level):
    """A champion that sees whole conversations of this level."""
    _, version = shop.staged()
    reads = ("turns", "input", "output")
    criterion = dataclasses.replace(version.criterion, level=level, reads=reads)
    rendering = dataclasses.replace(version.rendering, reads=reads, truncate=("turns",))
    return shop.add(alias="champion", criterion=criterion, rendering=rendering)


def said(place, question, reply, session="s-1"):
    attributes = {} if session is None else {KEY: session}
    return span(f"{place:016x}", question, reply, TRACES[place % 3], start=place + 1, **attributes)


async def verdicts(client, count, seconds=10.0):
    """The verdicts, once there are so many, and one more look a moment later: it must stay at that."""
    for _ in range(int(seconds / 0.05)):
        found = (await client.get("/v1/verdicts")).json()["verdicts"]
        if len(found) >= count:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)
    return (await client.get("/v1/verdicts")).json()["verdicts"]


def texts(example):
    turns = [turn["content"] for turn in example["turns"]]
    return [*turns, example["input"], example["output"]]


@pytest.mark.anyio
async def test_a_session_over_several_traces_is_judged_once_when_it_was_quiet(shop):
    judged_by(shop, "session")
    shop.configure('[serving]\ntrace_judges = ["advice"]\nsession_quiet_s = 0.6\n')
    async with shop.serving() as (client, _):
        await client.post("/v1/traces", json=exported(said(0, "Which fund?", "Apex."), said(9, "Hm?", "No.", "s-2")))
        await client.post("/v1/traces", json=exported(said(1, "Sure?", "Yes.")))
        is_open = (await client.get("/v1/events/session-s-1-advice")).json()
        await client.post("/v1/traces", json=exported(said(2, "Sure?", "Quite.")))  # the same words, another turn
        found = await verdicts(client, 2)
        mine = next(one for one in found if one["event_id"] == "session-s-1-advice")
        example = (await client.get(f"/v1/verdicts/{mine['id']}")).json()["example"]
    assert is_open["state"] == "waiting"
    assert sorted(one["event_id"] for one in found) == ["session-s-1-advice", "session-s-2-advice"]
    assert texts(example) == ["Which fund?", "Apex.", "Sure?", "Yes.", "Sure?", "Quite."]


@pytest.mark.anyio
async def test_a_trace_is_judged_as_a_whole_and_a_span_without_a_session_is_one_by_its_trace(shop):
    judged_by(shop, "trace")
    shop.configure('[serving]\ntrace_judges = ["advice"]\ntrace_quiet_s = 0.3\n')
    async with shop.serving() as (client, _):
        first, second = said(0, "Which fund?", "Apex.", None), said(3, "Sure?", "Yes.", None)  # both of one trace
        await client.post("/v1/traces", json=exported(second))
        await client.post("/v1/traces", json=exported(first))
        (verdict,) = await verdicts(client, 1)
        example = (await client.get(f"/v1/verdicts/{verdict['id']}")).json()["example"]
    assert verdict["trace_id"] == TRACES[0]
    assert texts(example) == ["Which fund?", "Apex.", "Sure?", "Yes."]  # by their own time, not by arrival


@pytest.mark.anyio
@pytest.mark.parametrize(("policy", "count"), [("apart", 2), ("drop", 1)])
async def test_spans_that_come_after_the_verdict_follow_the_declared_policy(shop, policy, count):
    judged_by(shop, "session")
    shop.configure(f'[serving]\ntrace_judges = ["advice"]\nsession_quiet_s = 0.1\nlate_spans = "{policy}"\n')
    async with shop.serving() as (client, _):
        await client.post("/v1/traces", json=exported(said(0, "Which fund?", "Apex.")))
        await verdicts(client, 1)
        await client.post("/v1/traces", json=exported(said(0, "Which fund?", "Apex."), said(1, "Sure?", "Yes.")))
        found = await verdicts(client, count)
        metrics = (await client.get("/metrics")).text
    assert [one["event_id"] for one in found] == ["session-s-1-advice:2", "session-s-1-advice"][-count:]
    assert f'assay_late_spans_total{{judge="advice",policy="{policy}"}} 1.0' in metrics


def test_an_open_session_survives_kill_9_and_is_judged_once(shop):
    judged_by(shop, "session")
    shop.configure('[serving]\ntrace_judges = ["advice"]\nsession_quiet_s = 0.5\n')
    server = ServerProcess(shop.root)
    try:
        assert httpx.post(f"{server.url}/v1/traces", json=exported(said(0, "Which fund?", "Apex."))).is_success
        server.kill()  # right behind the acknowledgement: the session is open
        server.start()

        async def look():
            async with httpx.AsyncClient(base_url=server.url) as client:
                return await verdicts(client, 1)

        found = asyncio.run(look())
    finally:
        server.kill()
    assert [one["event_id"] for one in found] == ["session-s-1-advice"]


def call(place, trace, given, reply):
    messages = [{"role": role, "content": text} for role, text in given]
    return {
        "trace_id": trace,
        "span_id": str(place),
        "start_ns": place,
        "input": messages,
        "output": [{"role": "assistant", "content": reply}],
    }


def words(spans):
    return [message["content"] for message in conversation(spans)["messages"]]


def test_a_call_that_repeats_what_was_said_adds_only_what_is_new():
    first = call(1, "a", [("system", "Be kind."), ("user", "yes")], "ok")
    second = call(2, "b", [("system", "Be kind."), ("user", "yes"), ("assistant", "ok"), ("user", "yes")], "ok")
    cut_off = call(3, "c", [("system", "Be kind."), ("user", "yes"), ("assistant", "ok"), ("user", "why?")], "so")
    assert words([cut_off, second, first]) == ["Be kind.", "yes", "ok", "yes", "ok", "why?", "so"]


def test_a_call_that_repeats_nothing_goes_on_and_the_question_of_its_trace_stands_once():
    asked = call(1, "a", [("user", "yes")], "ok")
    again = call(2, "b", [("user", "yes")], "ok")
    inner = call(3, "b", [("user", "yes")], "checked")
    assert words([asked, again, inner]) == ["yes", "ok", "yes", "ok", "checked"]
