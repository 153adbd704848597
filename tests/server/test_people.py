"""What a judge declines and its version gives to people: their queue, the meanwhile, and the answer by verdict id."""

import asyncio
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from assay.labelling import desk
from assay.labelling.labellers import add_labeller
from assay.schema.errors import RefusedError
from assay.schema.fallback import Escalation
from assay.schema.judge_version import Decision
from assay.serving.retention import Retention
from assay.store import awaiting, examples
from assay.store.labelling import queues
from assay.store.labelling.answers import Answer

pytestmark = pytest.mark.anyio
DECLINES = Decision(threshold=0.0, policy="x", abstain_low=0.0, abstain_high=1.0)  # everything lies in the band
QUEUE = "escalated-advice-1"


def to_people(default=None):
    return {"decision": DECLINES, "escalation": Escalation(to="human", default=default)}


async def stored(client, answer):
    return (await client.get(f"/v1/verdicts/{answer.json()['verdicts'][0]['id']}")).json()


def label(database, position, value, name="mia"):
    mia, _ = add_labeller(database, name)
    desk.hand_of(database, mia, QUEUE)
    given = Answer(key=f"k{position}", queue=QUEUE, position=position, kind="label", value=value, note="it names one")
    desk.take(database, mia, given)


async def test_the_default_holds_meanwhile_and_the_experts_answer_is_found_by_the_verdicts_id(shop, asked):
    shop.add(alias="champion", **to_people("threshold"))
    async with shop.serving() as (client, serving):
        answer = await client.post("/v1/judge", json=asked("buy, or write to ann@example.org"))
        before = await stored(client, answer)
        await asyncio.to_thread(label, serving.database, 0, "no")
        after = await stored(client, answer)
        listed = (await client.get("/v1/verdicts", params={"route": "escalation.human"})).json()["verdicts"]
        with serving.database.read() as connection:
            ((example, labels),) = list(examples.iter_labelled(connection, "advice/1"))
    (verdict,) = answer.json()["verdicts"]
    assert (verdict["kind"], verdict["label"]) == ("decided", "yes")  # the threshold is 0
    assert (verdict["route"], verdict["reason_code"]) == ("escalation.human", "awaiting-person")
    assert verdict["person"] == {"state": "pending", "queue": None, "position": None, "label": None, "answers": []}
    assert before["person"] == {**verdict["person"], "state": "awaiting", "queue": QUEUE, "position": 0}
    assert (after["person"]["state"], after["person"]["label"]) == ("answered", "no")
    (said,) = after["person"]["answers"]
    assert (said["labeller"], said["value"], said["note"]) == ("mia", "no", "it names one")
    assert listed[0]["person"] == after["person"]
    assert after["label"] == "yes"  # a verdict is never rewritten
    assert example.output == "buy, or write to [EMAIL]"
    assert [(one.value, one.labeller, one.source) for one in labels] == [("no", "mia", "expert")]


async def test_an_experts_label_by_the_api_is_an_answer_and_any_other_is_feedback(shop, asked):
    shop.add(alias="champion", **to_people("no"))
    async with shop.serving() as (client, serving):
        bodies = [asked(text, id="call-1") for text in ("buy, ann@example.org", "hold")]
        answers = [await client.post("/v1/judge", json=body) for body in bodies]
        given = {"verdict_id": answers[0].json()["verdicts"][0]["id"], "value": "yes", "labeller": "mia"}
        feedback = (await client.post("/v1/labels", json=given)).json()
        waiting = await stored(client, answers[0])
        expert = (await client.post("/v1/labels", json={**given, "source": "expert", "explanation": "it does"})).json()
        again = (await client.post("/v1/labels", json={**given, "source": "expert"})).json()
        answered, other = [await stored(client, answer) for answer in answers]
        with serving.database.read() as connection:
            queue = queues.get(connection, QUEUE)
    assert (feedback["queue"], feedback["new"]) == (None, True)
    assert waiting["person"]["state"] == "awaiting"
    assert (expert["queue"], expert["new"], again["new"]) == (QUEUE, True, False)
    assert (answered["person"]["state"], answered["person"]["label"]) == ("answered", "yes")
    (said,) = answered["person"]["answers"]
    assert (said["labeller"], said["value"], said["note"]) == ("mia", "yes", "it does")
    assert (queue.record.size, queue.finished) == (2, 1)
    assert other["person"]["state"] == "awaiting"  # the same id for another text is another example


async def test_without_a_default_the_verdict_stays_abstained_and_is_flagged(shop, asked):
    shop.add(alias="champion", **to_people())
    async with shop.serving() as (client, _):
        answer = await client.post("/v1/judge", json=asked())
        waiting = await stored(client, answer)
    (verdict,) = answer.json()["verdicts"]
    assert (verdict["kind"], verdict["route"]) == ("abstained", "escalation.human")
    assert answer.json()["action"] == "flag"
    assert waiting["person"]["state"] == "awaiting"


async def test_one_example_waits_once_and_a_closed_queue_is_followed_by_another(shop, asked):
    shop.add(alias="champion", **to_people("no"))
    async with shop.serving() as (client, serving):
        answers = [await client.post("/v1/judge", json=asked(text)) for text in ("one", "one", "two")]
        first, again, second = [(await stored(client, answer))["person"] for answer in answers]
        with serving.database.begin() as connection:
            found = queues.get(connection, QUEUE)
            queues.close(connection, QUEUE)
        later = (await stored(client, await client.post("/v1/judge", json=asked("three"))))["person"]
    assert (first["position"], again["position"], second["position"]) == (0, 0, 1)
    assert found.record.size == 2
    assert (later["queue"], later["position"]) == (f"{QUEUE}-2", 0)


async def test_an_old_text_goes_with_its_verdict_unless_it_was_labelled(shop, asked):
    shop.add(alias="champion", **to_people("no"))
    async with shop.serving() as (client, serving):
        answers = [await client.post("/v1/judge", json=asked(text)) for text in ("a secret", "labelled", "skipped")]
        await stored(client, answers[-1])
        mia, _ = add_labeller(serving.database, "mia")
        desk.hand_of(serving.database, mia, QUEUE)
        for position, kind, value in ((1, "label", "no"), (2, "skip", None)):
            given = Answer(key=f"k{position}", queue=QUEUE, position=position, kind=kind, value=value)
            desk.take(serving.database, mia, given)
        Retention(serving.database, 90).step(datetime.now(UTC) + timedelta(days=91))
        gone = await client.get(f"/v1/verdicts/{answers[0].json()['verdicts'][0]['id']}")
        late = Answer(key="k3", queue=QUEUE, position=0, kind="label", value="yes", note="sent by a page left open")
        with pytest.raises(RefusedError, match="was deleted"):
            desk.take(serving.database, mia, late)
        skipped = desk.take(serving.database, mia, replace(late, key="k4", kind="skip", value=None))
        assert desk.undo_last(serving.database, mia, QUEUE, "k5").positions == (1,)
        with serving.database.read() as connection:
            states = [one.state for one in queues.iter_items(connection, QUEUE)]
            texts = [one.output for one in queues.iter_examples(connection, ["", labelled_id(connection)])]
        again = await stored(client, await client.post("/v1/judge", json=asked("a secret")))
    assert gone.status_code == 404
    assert (skipped.positions, skipped.queue.expired) == ((), 2)
    assert states == ["expired", "full", "expired"]
    assert texts == [None, "labelled"]
    assert (again["person"]["state"], again["person"]["position"]) == ("awaiting", 3)


def labelled_id(connection):
    return queues.item(connection, QUEUE, 1).example_id


async def test_events_and_what_waits_in_a_dead_process_journal_come_to_people_once(shop, asked):
    shop.add(alias="champion", **to_people("no"))
    async with shop.serving() as (client, serving):
        await client.post("/v1/judge", json=asked("said to be lost"))
        files = shop.settings.serving_files
        shutil.copy(serving.process.journal, files / "server_gone.jsonl")  # as it was when that process was killed
        (files / "server_gone.lock").touch()
        await client.post("/v1/events", json={"events": [asked("later", event_id="call-1")]})
        for _ in range(400):
            if (await client.get("/v1/events/call-1")).json()["state"] == "done":
                break
            await asyncio.sleep(0.02)
        await asyncio.to_thread(serving.take_over)
        found = (await client.get("/v1/verdicts")).json()["verdicts"]
        (of_event,) = (await client.get("/v1/events/call-1")).json()["verdicts"]
        with serving.database.read() as connection:
            size = queues.get(connection, QUEUE).record.size
    assert sorted(one["person"]["position"] for one in found) == [0, 1]
    assert {one["id"]: one for one in found}[of_event["id"]] == of_event
    assert of_event["person"]["state"] == "awaiting"
    assert size == 2


async def test_a_verdict_that_finds_the_queue_full_is_pending_and_then_not_queued(shop, asked, monkeypatch):
    monkeypatch.setattr(awaiting, "MOST_OPEN", 1)
    shop.add(alias="champion", **to_people("no"))
    async with shop.serving() as (client, _):
        answers = [await client.post("/v1/judge", json=asked(text)) for text in ("one", "two")]
        later = [await stored(client, answer) for answer in answers]
    assert [answer.json()["verdicts"][0]["person"]["state"] for answer in answers] == ["pending", "pending"]
    assert [one["person"]["state"] for one in later] == ["awaiting", "not-queued"]
    assert (later[1]["person"]["queue"], later[1]["label"]) == (None, "no")


async def test_a_shadow_asks_nobody(shop, asked):
    shop.add(alias="champion")
    shop.add(alias="shadow", **to_people("no"))
    async with shop.serving() as (client, serving):
        await client.post("/v1/judge", json=asked())
        await serving.service.settle_shadows()
        (copy,) = (await client.get("/v1/verdicts", params={"role": "shadow"})).json()["verdicts"]
    assert (copy["kind"], copy["route"], copy["person"]) == ("abstained", "judge", None)


async def test_where_no_text_is_kept_the_default_decides_and_the_server_says_so(shop, asked):
    shop.add(alias="champion", **to_people("no"))
    shop.configure("[serving]\nkeep_text = false\n")
    async with shop.serving() as (client, _):
        (verdict,) = (await client.post("/v1/judge", json=asked())).json()["verdicts"]
        ready = (await client.get("/readyz")).json()
    assert (verdict["label"], verdict["route"], verdict["person"]) == ("no", "escalation.default", None)
    assert verdict["reason_code"] == "not-configured"
    assert ready["status"] == "degraded"
    assert "people have nothing to look at" in ready["reasons"][0]
