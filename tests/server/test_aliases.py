"""Judges come and go, and aliases move, while requests are answered."""

import asyncio
import shutil

import pytest

from assay.registry.folder import write_judge_file

pytestmark = pytest.mark.anyio


async def test_an_alias_that_moves_under_load_drops_and_mixes_nothing(shop, asked):
    old, new = shop.add(alias="champion"), shop.add()
    async with shop.serving() as (client, serving):

        async def ask(number: int) -> set[str]:
            answer = await client.post("/v1/judge", json={"judges": ["advice", "advice"], "output": f"text {number}"})
            assert answer.status_code == 200, answer.text
            return {verdict["judge"] for verdict in answer.json()["verdicts"]}

        asking = [asyncio.create_task(ask(number)) for number in range(100)]
        await asyncio.to_thread(shop.point, new, "champion")
        await serving.watch.step()
        asking += [asyncio.create_task(ask(number)) for number in range(100, 200)]
        answered = await asyncio.gather(*asking)
    assert all(len(judges) == 1 for judges in answered)  # one request, one state of the aliases
    assert answered[0] == {old}
    assert answered[-1] == {new}


async def test_a_canary_gets_its_share_and_a_conversation_stays_with_one_version(shop):
    champion, canary = shop.add(alias="champion"), shop.add(alias="canary")
    shop.configure("[serving]\ncanary_share = 0.5\n")
    async with shop.serving() as (client, _):

        async def ask(group: str) -> str:
            body = {"judges": ["advice"], "output": "buy", "group": group}
            return (await client.post("/v1/judge", json=body)).json()["verdicts"][0]["judge"]

        first = [await ask(f"session {number}") for number in range(100)]
        again = [await ask(f"session {number}") for number in range(100)]
    assert first == again
    assert 30 < first.count(canary) < 70
    assert set(first) == {champion, canary}


async def test_a_shadow_gets_copies_that_change_no_answer(shop, asked):
    champion, shadow = shop.add(alias="champion"), shop.add(alias="shadow")
    async with shop.serving() as (client, serving):
        answer = (await client.post("/v1/judge", json=asked())).json()
        await serving.service.settle_shadows()
        copies = (await client.get("/v1/verdicts", params={"role": "shadow"})).json()["verdicts"]
    assert [verdict["judge"] for verdict in answer["verdicts"]] == [champion]
    assert [verdict["judge"] for verdict in copies] == [shadow]
    assert copies[0]["request_id"] == answer["request_id"]


async def test_a_judge_that_is_promoted_or_copied_in_appears_without_a_restart(shop, asked):
    async with shop.serving() as (client, serving):
        assert (await client.post("/v1/judge", json=asked())).status_code == 404
        folder, version = await asyncio.to_thread(shop.staged)
        write_judge_file(folder, version)
        shutil.copytree(folder, shop.settings.judges / version.id)
        await serving.watch.step()
        by_id = await client.post("/v1/judge", json=asked(judge=version.id))
        await asyncio.to_thread(shop.point, version.id, "champion")
        await serving.watch.step()
        by_name = await client.post("/v1/judge", json=asked())
    assert [answer.json()["verdicts"][0]["judge"] for answer in (by_id, by_name)] == [version.id, version.id]


async def test_a_running_server_sees_what_was_promoted_or_copied_in_by_itself(shop, asked):
    shop.configure("[serving]\nwatch_s = 0.05\n")
    old = shop.add(alias="champion")

    async def answers(client, judge):
        for _ in range(400):
            answer = await client.post("/v1/judge", json=asked(judge=judge))
            if answer.status_code == 200:
                yield answer.json()["verdicts"][0]["judge"]
            await asyncio.sleep(0.02)

    async with shop.serving() as (client, _):
        folder, version = await asyncio.to_thread(shop.staged)
        write_judge_file(folder, version)
        half = shop.settings.judges / version.id
        shutil.copytree(folder, half, ignore=shutil.ignore_patterns("tokenizer.json"))  # it is still arriving
        await asyncio.sleep(0.2)
        arriving = (await client.get("/v1/judges")).json()["problems"]
        shutil.copy(folder / "tokenizer" / "tokenizer.json", half / "tokenizer")
        copied = await anext(answers(client, version.id))
        await asyncio.to_thread(shop.point, version.id, "champion")
        seen = {old}
        async for judge in answers(client, "advice"):
            seen.add(judge)
            if judge == version.id:
                break
        problems = (await client.get("/v1/judges")).json()["problems"]
    assert copied == version.id
    assert seen == {old, version.id}
    assert version.id in arriving
    assert problems == {}


async def test_a_broken_judge_is_refused_and_reported_and_the_old_one_keeps_serving(shop, asked, caplog):
    old = shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        new = await asyncio.to_thread(shop.add)
        await asyncio.to_thread(shop.point, new, "champion")
        (shop.settings.judges / new / "tokenizer" / "tokenizer.json").write_text("{}")
        await serving.watch.step()
        answer = await client.post("/v1/judge", json=asked())
        state = (await client.get("/v1/judges")).json()
        ready = await client.get("/readyz")
        metrics = (await client.get("/metrics")).text
        page = (await client.get("/ui/live.json")).json()
        told = [record for record in caplog.records if record.message == "a judge cannot be served"]
    assert answer.json()["verdicts"][0]["judge"] == old
    assert [record.judge for record in told] == [new]
    assert "was changed" in page["problems"][new]
    assert "was changed" in state["problems"][new]
    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    assert f'assay_judge_problem{{version="{new}"}} 1.0' in metrics


async def test_a_folder_that_is_no_judge_is_reported(shop):
    shop.add(alias="champion")
    (shop.settings.judges / "advice-00000000").mkdir()
    async with shop.serving() as (client, _):
        problems = (await client.get("/v1/judges")).json()["problems"]
    assert "judge.json is missing" in problems["advice-00000000"]


async def test_the_version_not_used_for_longest_makes_room(shop, asked):
    first, second = shop.add("advice"), shop.add("tone")
    async with shop.serving() as (client, serving):
        await client.post("/v1/judge", json=asked(judge=first))
        serving.judges._max_bytes = serving.judges.bytes_used + 1
        await client.post("/v1/judge", json=asked(judge=second))
        in_memory = [ready.version.id for ready in serving.judges.ready()]
        back = await client.post("/v1/judge", json=asked(judge=first))
    assert in_memory == [second]
    assert back.json()["verdicts"][0]["judge"] == first
