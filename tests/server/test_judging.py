"""`POST /v1/judge`: what is answered, by whom, and what happens when the engine does not."""

import asyncio

import pytest

from assay.schema.ids import utc_now
from assay.testing_engine import TestEngine

pytestmark = pytest.mark.anyio


async def test_one_judge_answers_and_its_verdict_is_kept(shop, asked):
    version = shop.add(alias="champion")
    before = utc_now()
    async with shop.serving() as (client, _):
        answer = await client.post("/v1/judge", json=asked())
        assert answer.status_code == 200, answer.text
        (verdict,) = answer.json()["verdicts"]
        kept = await client.get("/v1/verdicts")
        one = await client.get(f"/v1/verdicts/{verdict['id']}")
    assert (verdict["judge"], verdict["role"], verdict["kind"]) == (version, "champion", "decided")
    assert verdict["route"] == "judge"
    assert sum(verdict["probabilities"].values()) == pytest.approx(1)
    assert verdict["probability"] == verdict["probabilities"][verdict["label"]]
    assert answer.json()["action"] == ("flag" if verdict["label"] == "yes" else "allow")
    assert kept.json()["verdicts"] == [verdict]
    assert one.json()["example"]["output"] == "buy the bonds now"
    assert one.json()["created_at"] > before


async def test_the_same_text_gets_the_same_verdict_and_another_one_another(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        texts = ["buy now", "buy now", "sell the loan"]
        answers = [(await client.post("/v1/judge", json=asked(text))).json() for text in texts]
    first, second, third = (answer["verdicts"][0]["probabilities"]["yes"] for answer in answers)
    assert first == second != third


async def test_several_judges_answer_in_the_order_asked(shop, asked):
    advice, tone = shop.add("advice", alias="champion"), shop.add("tone", alias="champion")
    async with shop.serving() as (client, _):
        answer = await client.post("/v1/judge", json={"judges": ["tone", "advice"], "output": "buy"})
    assert [verdict["judge"] for verdict in answer.json()["verdicts"]] == [tone, advice]


async def test_the_action_of_a_positive_verdict_is_the_workspaces(shop, asked):
    shop.add(alias="champion")
    shop.configure('[serving]\n[serving.judges.advice]\naction = "block"\nact_on = ["yes", "no"]\n')
    async with shop.serving() as (client, _):
        answer = await client.post("/v1/judge", json=asked())
    assert answer.json()["action"] == "block"


async def test_personal_data_is_not_stored(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        answer = await client.post("/v1/judge", json=asked("write to ann@example.org"))
        verdict_id = answer.json()["verdicts"][0]["id"]
        stored = (await client.get(f"/v1/verdicts/{verdict_id}")).json()
    assert stored["example"]["output"] == "write to [EMAIL]"
    assert b"ann@example.org" not in b"".join(path.read_bytes() for path in shop.settings.data.glob("assay.db*"))


async def test_texts_are_not_stored_where_the_workspace_says_so(shop, asked):
    shop.add(alias="champion")
    shop.configure("[serving]\nkeep_text = false\n")
    async with shop.serving() as (client, _):
        verdict_id = (await client.post("/v1/judge", json=asked())).json()["verdicts"][0]["id"]
        assert (await client.get(f"/v1/verdicts/{verdict_id}")).json()["example"] is None
        label = {"verdict_id": verdict_id, "value": "no", "labeller": "mia"}
        assert (await client.post("/v1/labels", json=label)).json()["code"] == "refused"


async def test_an_engine_that_stalls_is_answered_by_the_declared_action_in_time(shop, asked):
    version = shop.add(alias="champion")
    async with shop.serving() as (client, _):
        shop.engine.stall()
        answer = await client.post("/v1/judge", json=asked(deadline_ms=50))
        (verdict,) = answer.json()["verdicts"]
        assert (verdict["kind"], verdict["judge"]) == ("failed", version)
        assert (verdict["route"], verdict["reason_code"]) == ("fallback.action", "deadline-exceeded")
        assert answer.json()["action"] == "allow-and-flag"
        shop.engine.go_on()
        assert (await client.post("/v1/judge", json=asked())).json()["verdicts"][0]["kind"] == "decided"


async def test_an_engine_that_is_lost_is_replaced(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        shop.engine.stall()
        in_flight = asyncio.create_task(client.post("/v1/judge", json=asked()))
        while not shop.engine.submitted:
            await asyncio.sleep(0.01)
        lost = shop.engine
        object.__setattr__(shop, "engine", TestEngine())
        lost.crash()
        answers = [await in_flight, await client.post("/v1/judge", json=asked())]
    (first,), (second,) = (answer.json()["verdicts"] for answer in answers)
    assert (first["kind"], first["route"], first["reason_code"]) == ("failed", "fallback.action", "engine-lost")
    assert second["kind"] == "decided"


async def test_a_request_that_does_not_fit_into_memory_falls_back(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        shop.engine.shrink(10)
        answer = await client.post("/v1/judge", json=asked("buy " * 50))
        short = await client.post("/v1/judge", json=asked("buy"))
    assert answer.json()["verdicts"][0]["reason_code"] == "request-failed"
    assert short.json()["verdicts"][0]["kind"] == "decided"


async def test_what_cannot_be_judged_is_refused_with_a_sentence(shop):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        empty = await client.post("/v1/judge", json={"judges": ["advice"]})
        nobody = await client.post("/v1/judge", json={"judges": ["advise"], "output": "x"})
        no_ref = await client.post("/v1/judge", json={"judges": ["../etc/passwd"], "output": "x"})
        typo = await client.post("/v1/judge", json={"judges": ["advice"], "ouput": "x"})
        mode = await client.post("/v1/judge", json={"judges": ["advice"], "output": "x", "mode": "reasoning"})
    assert [each.status_code for each in (empty, nobody, no_ref, typo, mode)] == [422, 404, 422, 422, 422]
    assert empty.headers["content-type"] == "application/problem+json"
    assert empty.json()["detail"] == "Nothing to judge: output is missing or empty."
    assert empty.json()["type"] == "urn:assay:problem:bad-input"
    assert empty.json()["instance"] == empty.headers["x-request-id"]


async def test_a_batch_answers_each_example_by_itself(shop):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        body = {"judges": ["advice"], "examples": [{"output": "buy"}, {"input": "no output"}, {"output": "sell"}]}
        answers = (await client.post("/v1/judge/batch", json=body)).json()["answers"]
    assert [("verdicts" in answer, "problem" in answer) for answer in answers] == [
        (True, False),
        (False, True),
        (True, False),
    ]


async def test_an_idempotency_key_gives_the_first_answer_again(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        key = {"Idempotency-Key": "order-17"}
        first = await client.post("/v1/judge", json=asked(), headers=key)
        second = await client.post("/v1/judge", json=asked(), headers=key)
        other = await client.post("/v1/judge", json=asked("another text"), headers=key)
        stored = (await client.get("/v1/verdicts")).json()["verdicts"]
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert other.status_code == 409
    assert len(stored) == 1


async def test_the_deadline_in_the_header_holds(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        shop.engine.stall()
        answer = await client.post("/v1/judge", json=asked(), headers={"X-Assay-Deadline-Ms": "50"})
        wrong = await client.post("/v1/judge", json=asked(), headers={"X-Assay-Deadline-Ms": "soon"})
    assert answer.json()["verdicts"][0]["reason_code"] == "deadline-exceeded"
    assert wrong.status_code == 422


async def test_more_than_can_be_judged_in_time_is_refused_at_once(shop, asked):
    shop.add(alias="champion")
    shop.configure("[serving]\nmax_tokens_in_flight = 100\n")
    async with shop.serving() as (client, _):
        shop.engine.stall()
        waiting = [
            asyncio.create_task(client.post("/v1/judge", json=asked("buy " * 80, deadline_ms=300))) for _ in range(3)
        ]
        answers = await asyncio.gather(*waiting)
        metrics = (await client.get("/metrics")).text
    assert sorted(answer.status_code for answer in answers) == [200, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["code"] == "overloaded"
    assert 'assay_refused_total{code="overloaded",priority="guardrail"} 2.0' in metrics
