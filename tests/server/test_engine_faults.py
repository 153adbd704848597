"""Faults under the real engine, over HTTP: lost, stalled, out of memory, and what cannot be loaded again at once."""

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from assay.inference.local_engine import LocalEngine
from assay.inference.runner import OutOfMemory, Read, Work
from assay.schema.errors import EngineLostError
from assay.schema.fallback import Escalation, RulesRung
from assay.schema.ids import digest_files
from assay.schema.judge_version import Decision, JudgeVersion

pytestmark = pytest.mark.anyio
DECLINES = Decision(threshold=0.0, policy="x", abstain_low=0.0, abstain_high=1.0)  # everything lies in the band


@dataclass
class Device:
    """What all runners of a test share: whether it works, how much fits, and who was loaded."""

    works: bool = True
    loads: bool = True
    fits: int = 1 << 30
    going: threading.Event = field(default_factory=threading.Event)
    engines: list[LocalEngine] = field(default_factory=list)

    def engine(self, version: JudgeVersion) -> LocalEngine:
        del version
        self.going.set()
        made = LocalEngine(RunnerWithoutModel(self))
        self.engines.append(made)
        return made


class RunnerWithoutModel:
    """Scores are the number of tokens; two labels."""

    backend = "torch"
    explains = False

    def __init__(self, place: Device) -> None:
        self.place = place
        self.device = f"of one test: {id(place)}"

    def load(self, version: JudgeVersion, folder: Path) -> Callable[[], None]:
        if not self.place.loads:
            raise EngineLostError("The device is not there.")
        return lambda: None

    def unload(self, judge: str) -> None:
        pass

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        return [0]

    def run(self, works: Sequence[Work]) -> list[Read]:
        self.place.going.wait(10)
        if not self.place.works:
            raise RuntimeError("the device is gone")
        if sum(len(work.ids) for work in works) > self.place.fits:
            raise OutOfMemory
        return [Read(scores=np.array([-0.1, -2.0]), computed_tokens=len(work.ids)) for work in works]


async def judge(client, *names, output="buy", **more):
    answer = await client.post("/v1/judge", json={"judges": list(names), "output": output, **more})
    assert answer.status_code == 200, answer.text
    return [(one["kind"], one["reason_code"], one["action"]) for one in answer.json()["verdicts"]]


async def until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


JUDGED = ("decided", "judged", "flag")
LOST = ("failed", "engine-lost", "allow-and-flag")


async def test_a_lost_engine_takes_all_of_its_judges_along_once_and_they_heal_together(shop):
    device = Device()
    for name in ("advice", "tone"):
        shop.add(name, alias="champion")
    async with shop.serving(make_engine=device.engine) as (client, serving):
        assert await judge(client, "advice", "tone") == [JUDGED, JUDGED]
        device.works = False
        first = await judge(client, "advice")
        device.works = True
        after = [await judge(client, name) for name in ("advice", "tone", "advice", "tone")]
        await until(lambda: not serving.judges._leaving)
        used = serving.judges.bytes_used
    assert first == [LOST]
    assert after == [[JUDGED]] * 4
    assert len(device.engines) == 2
    assert used > 0


async def test_while_an_engine_cannot_be_built_anew_every_request_gets_the_declared_answer(shop):
    device = Device()
    shop.add("advice", alias="champion", fallback="block")
    shop.add("tone", alias="champion", dtype="bfloat16")  # on an engine of its own
    async with shop.serving(make_engine=device.engine) as (client, serving):
        await judge(client, "advice", "tone")
        device.loads = device.works = False
        down = [await judge(client, "advice") for _ in range(3)]
        device.works = True
        together = await judge(client, "advice", "tone")
        sent = [{"judges": ["advice"], "output": "buy", "event_id": "call-1"}]
        await client.post("/v1/events", json={"events": sent})
        for _ in range(300):
            event = (await client.get("/v1/events/call-1")).json()
            if event["state"] == "done":
                break
            await asyncio.sleep(0.02)
        device.loads = True
        serving.judges._clock = lambda: time.monotonic() + 60
        healed = await judge(client, "advice", "tone")
    assert down == [[("failed", "engine-lost", "block")]] * 3
    assert together == [("failed", "engine-lost", "block"), JUDGED]
    assert [(one["reason_code"], one["action"]) for one in event["verdicts"]] == [("engine-lost", "block")]
    assert healed == [JUDGED, JUDGED]


async def test_a_champion_that_cannot_be_loaded_at_the_start_is_answered_by_its_chain(shop):
    device = Device(loads=False)
    folder, version = shop.staged(fallback="block", fallback_chain=(RulesRung(budget_ms=1000),))
    (folder / "rules.toml").write_text('name = "r"\n[[rules]]\nlabel = "yes"\nkeywords = ["buy"]\n')
    await asyncio.to_thread(add_with_rules, shop, folder, version)
    async with shop.serving(make_engine=device.engine) as (client, serving):
        by_rule = await client.post("/v1/judge", json={"judges": ["advice"], "output": "buy"})
        silent = await judge(client, "advice", output="hold")
        problems = (await client.get("/v1/judges")).json()["problems"]
        device.loads = True
        serving.judges._clock = lambda: time.monotonic() + 60
        await serving.watch.step()
        healed = await judge(client, "advice")
    (verdict,) = by_rule.json()["verdicts"]
    assert (verdict["route"], verdict["label"]) == ("fallback.rules", "yes")
    assert silent == [("failed", "engine-lost", "block")]
    assert list(problems.values()) == ["The device is not there."]
    assert healed == [JUDGED]


def add_with_rules(shop, folder, version):
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    with shop.registry() as registry:
        added = registry.add(folder, dataclasses.replace(version, files=digest_files(files)))
    shop.point(added, "champion")


@pytest.mark.parametrize("path", ["judge", "judge/batch"])
async def test_a_mode_that_a_judge_lacks_is_refused_alike_whether_it_is_in_memory_or_not(shop, asked, path):
    device = Device(loads=False)
    shop.add(alias="champion", fallback="block")
    body = asked(mode="reasoning")
    if path == "judge/batch":
        body = {"judges": ["advice"], "mode": "reasoning", "examples": [{"output": "buy"}]}

    async def answered(client):
        answer = await client.post(f"/v1/{path}", json=body, headers={"X-Request-Id": "the-same"})
        return answer.status_code, answer.json()

    async with shop.serving(make_engine=device.engine) as (client, serving):
        in_its_mode = await judge(client, "advice")
        absent = await answered(client)
        device.loads = True
        serving.judges._clock = lambda: time.monotonic() + 60
        assert await judge(client, "advice") == [JUDGED]
        loaded = await answered(client)
    assert in_its_mode == [("failed", "engine-lost", "block")]
    assert absent == loaded
    problem = absent[1] if path == "judge" else absent[1]["answers"][0]["problem"]
    assert (problem["status"], problem["code"]) == (422, "unsupported-judge")


async def test_a_damaged_champion_is_answered_by_its_action_alone(shop):
    version = shop.add(alias="champion", fallback="block")
    (shop.settings.judges / version / "tokenizer" / "tokenizer.json").write_text("{}")
    async with shop.serving(make_engine=Device().engine) as (client, _):
        assert await judge(client, "advice") == [("failed", "damaged", "block")]


async def test_a_stalled_engine_is_not_lost_and_goes_on(shop):
    device = Device()
    shop.add(alias="champion")
    async with shop.serving(make_engine=device.engine) as (client, _):
        device.going.clear()
        late = await judge(client, "advice", deadline_ms=50)
        device.going.set()
        assert await judge(client, "advice") == [JUDGED]
    assert late == [("failed", "deadline-exceeded", "allow-and-flag")]
    assert len(device.engines) == 1


async def test_what_does_not_fit_into_memory_fails_alone(shop):
    device = Device(fits=40)
    shop.add(alias="champion")
    async with shop.serving(make_engine=device.engine) as (client, _):
        texts = ["buy", "buy " * 100, "sell"]
        answers = await asyncio.gather(*(judge(client, "advice", output=text) for text in texts))
    assert answers == [[JUDGED], [("failed", "request-failed", "allow-and-flag")], [JUDGED]]
    assert len(device.engines) == 1


async def test_the_larger_judge_of_an_escalation_heals_by_itself(shop):
    large, small = Device(), Device()
    larger = shop.add("large", dtype="bfloat16")
    shop.add(alias="champion", decision=DECLINES, escalation=Escalation(to="judge", judge=larger))

    def make_engine(version):
        return (large if version.dtype == "bfloat16" else small).engine(version)

    async with shop.serving(make_engine=make_engine) as (client, _):

        async def reason() -> str:
            answer = await client.post("/v1/judge", json={"judges": ["advice"], "output": "buy"})
            return answer.json()["verdicts"][0]["reason_code"]

        before = await reason()
        large.works = False
        lost = await reason()
        large.works = True
        after = await reason()
    assert [before, lost, after] == ["in-band", "engine-lost", "in-band"]
    assert (len(small.engines), len(large.engines)) == (1, 2)


async def test_an_event_that_is_never_let_in_ends_with_the_declared_action(shop, asked):
    shop.add(alias="champion", fallback="block")
    shop.configure("[serving]\nevent_deadline_ms = 30\nmax_tokens_in_flight = 100\n")
    device = Device()
    async with shop.serving(make_engine=device.engine) as (client, _):
        device.going.clear()
        busy = asyncio.create_task(client.post("/v1/judge", json=asked("buy " * 80, deadline_ms=5000)))
        await asyncio.sleep(0.1)
        await client.post("/v1/events", json={"events": [asked("buy " * 80, event_id="call-1")]})
        for _ in range(200):
            event = (await client.get("/v1/events/call-1")).json()
            if event["state"] == "done":
                break
            await asyncio.sleep(0.02)
        device.going.set()
        await busy
    (verdict,) = event["verdicts"]
    assert (verdict["kind"], verdict["reason_code"], verdict["action"]) == ("failed", "overloaded", "block")


async def test_an_int8_judge_is_served_and_counted(shop):
    device = Device()
    shop.add(alias="champion", dtype="int8")
    shop.add("tone", alias="champion")
    async with shop.serving(make_engine=device.engine) as (client, serving):
        assert await judge(client, "advice", "tone") == [JUDGED, JUDGED]
        assert (await client.get("/metrics")).status_code == 200
        assert serving.judges.bytes_used > 0
    assert len(device.engines) == 2


async def test_engines_that_nobody_needs_are_closed_before_another_is_built(shop):
    device = Device()
    first, second = (shop.add(name, method="full") for name in ("advice", "tone"))
    async with shop.serving(make_engine=device.engine) as (client, serving):
        await judge(client, first)
        serving.judges._max_bytes = serving.judges.bytes_used + 1
        await judge(client, second)
        assert [engine.lost for engine in device.engines] == [True, False]
        assert [ready.version.id for ready in serving.judges.ready()] == [second]


async def test_what_does_not_fit_beside_the_champion_is_said_and_pushes_nobody_out(shop):
    shop.configure("[serving]\nwatch_s = 3600\n")  # it looks when the test says so, not between two of its lines
    device = Device()
    async with shop.serving(make_engine=device.engine) as (client, serving):
        serving.judges._max_bytes = 100  # one judge of 22 parameters in float32, not two
        champion, shadow, other = [
            await asyncio.to_thread(shop.add, name, alias, method="full")
            for name, alias in (("advice", "champion"), ("advice", "shadow"), ("tone", None))
        ]
        loaded = []
        for _ in range(3):
            await serving.watch.step()
            asked = await judge(client, champion, other)
            loaded.append([ready.version.id for ready in serving.judges.ready()])
        problems = (await client.get("/v1/judges")).json()["problems"]
        serving.judges._max_bytes = 200
        beside = await judge(client, champion, other)
        await serving.watch.step()
        at_last = {ready.version.id for ready in serving.judges.ready()}
    assert loaded == [[champion]] * 3
    assert asked == [JUDGED, ("failed", "overloaded", "allow-and-flag")]
    assert problems == {shadow: f"There is no room in memory for {shadow}."}
    assert beside == [JUDGED, JUDGED]
    assert at_last == {champion, shadow}
    assert len(device.engines) == 3
