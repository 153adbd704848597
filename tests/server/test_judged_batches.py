"""Several examples in one request: they wait for room, each gets an answer or a problem, and none is judged twice."""

import asyncio
import json

import pytest

pytestmark = pytest.mark.anyio
EXAMPLES = [{"output": f"{number} " + "buy the bonds now " * 6} for number in range(256)]
NARROW = "[serving]\nmax_tokens_in_flight = 500\n"  # of which a batch may fill 200: a handful of these examples


async def stored(client, count):
    """How many verdicts there are, at most `count` and one more."""
    return len((await client.get("/v1/verdicts", params={"limit": min(count + 1, 500)})).json()["verdicts"])


async def test_a_full_batch_is_answered_where_few_examples_fit_at_once(shop):
    shop.add(alias="champion")
    shop.configure(NARROW)
    async with shop.serving() as (client, serving):
        answer = await client.post("/v1/judge/batch", json={"judges": ["advice"], "examples": EXAMPLES})
        answers = answer.json()["answers"]
        verdicts = [one["verdicts"][0] for one in answers]
        (first, last) = [(await client.get(f"/v1/verdicts/{verdicts[place]['id']}")).json() for place in (0, -1)]
        assert serving.service.admission.tokens_in_flight == 0
    assert len(verdicts) == 256
    assert {verdict["route"] for verdict in verdicts} == {"judge"}
    assert first["example"]["output"].startswith("0 buy")
    assert last["example"]["output"].startswith("255 buy")


async def test_what_finds_no_room_in_time_has_a_problem_and_the_rest_an_answer(shop):
    shop.add(alias="champion")
    shop.configure(NARROW)
    async with shop.serving() as (client, _):
        await client.post("/v1/judge", json={"judges": ["advice"], "output": "it is loaded now"})
        shop.engine.stall()
        body = {"judges": ["advice"], "examples": EXAMPLES[:20], "deadline_ms": 400}
        answer = await client.post("/v1/judge/batch", json=body)
        metrics = (await client.get("/metrics")).text
    assert answer.status_code == 200
    answers = answer.json()["answers"]
    fallen = [one["verdicts"][0] for one in answers if "verdicts" in one]
    problems = [one["problem"] for one in answers if "problem" in one]
    assert len(fallen) + len(problems) == 20
    assert 1 <= len(fallen) < 20  # those that were let in before the engine stalled for them
    assert {verdict["reason_code"] for verdict in fallen} == {"deadline-exceeded"}
    assert {(problem["status"], problem["code"]) for problem in problems} == {(429, "overloaded")}
    assert f'assay_refused_total{{code="overloaded",priority="batch"}} {len(problems)}.0' in metrics


async def test_the_same_batch_again_under_its_key_judges_nothing_twice(shop):
    shop.add(alias="champion")
    shop.configure(NARROW)
    async with shop.serving() as (client, _):
        body = {"judges": ["advice"], "examples": [*EXAMPLES[:30], {"input": "nothing to judge"}]}
        sent = [
            await client.post("/v1/judge/batch", json=body, headers={"Idempotency-Key": "night-17"}) for _ in range(2)
        ]
        assert await stored(client, 30) == 30
    assert sent[0].json() == sent[1].json()
    assert sent[0].json()["answers"][30]["problem"]["status"] == 422
    assert sent[1].headers["idempotent-replayed"] == "true"


async def test_a_judge_that_there_is_not_refuses_the_batch_before_anything_is_judged(shop):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        body = {"judges": ["advice", "advise"], "examples": EXAMPLES[:3]}
        refused = await client.post("/v1/judge/batch", json=body)
        moderated = await client.post("/v1/moderations", json={"model": "advice,advise", "input": ["a", "b"]})
        assert await stored(client, 1) == 0
    assert (refused.status_code, moderated.status_code) == (404, 404)


async def test_a_guardrail_does_not_wait_behind_a_batch(shop, asked):
    shop.add(alias="champion")
    shop.configure(NARROW)
    async with shop.serving() as (client, _):
        await client.post("/v1/judge", json=asked())
        shop.engine.stall()
        before = shop.engine.submitted
        body = {"judges": ["advice"], "examples": EXAMPLES[:20]}
        batch = asyncio.create_task(client.post("/v1/judge/batch", json=body))
        while shop.engine.submitted == before:
            await asyncio.sleep(0.01)
        quick = await client.post("/v1/judge", json=asked(deadline_ms=100))
        shop.engine.go_on()
        answers = (await batch).json()["answers"]
    assert quick.json()["verdicts"][0]["reason_code"] == "deadline-exceeded"  # let in, to an engine that stands still
    assert [answer["verdicts"][0]["route"] for answer in answers] == ["judge"] * 20


async def test_64_moderated_texts_wait_for_room_and_are_judged_once(shop):
    shop.add(alias="champion")
    shop.configure("[serving]\nmax_tokens_in_flight = 100\n")
    async with shop.serving() as (client, _):
        body = {"model": "advice", "input": [example["output"] for example in EXAMPLES[:64]]}
        sent = [await client.post("/v1/moderations", json=body, headers={"Idempotency-Key": "m"}) for _ in range(2)]
        assert await stored(client, 64) == 64
    assert sent[0].status_code == 200, sent[0].text
    assert sent[0].json() == sent[1].json()
    assert [set(result["categories"]) for result in sent[0].json()["results"]] == [{"advice"}] * 64


async def test_a_moderated_text_without_room_is_flagged_with_its_problem(shop):
    shop.add(alias="champion")
    shop.configure("[serving]\nmax_tokens_in_flight = 100\n")
    async with shop.serving() as (client, _):
        await client.post("/v1/moderations", json={"input": "it is loaded now"})
        shop.engine.stall()
        body = {"model": "advice", "input": [example["output"] for example in EXAMPLES[:4]]}
        answer = await client.post("/v1/moderations", json=body, headers={"X-Assay-Deadline-Ms": "300"})
    results = answer.json()["results"]
    without = [result for result in results if result.get("problem")]
    assert 1 <= len(without) < 4
    assert {(result["flagged"], result["problem"]["code"], json.dumps(result["categories"])) for result in without} == {
        (True, "overloaded", "{}")
    }
