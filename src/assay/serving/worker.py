"""Worker: judges the events of the queue. Each is finished, and its verdicts written, in one transaction.

Claim under a lease → judge, all of a batch at once → one transaction with verdicts, finished events and webhook
deliveries. A process that is killed leaves nothing half-done: its events are claimed again, once, by whoever comes
next, and a worker that has lost a lease writes nothing. An event that keeps killing its worker is given up with Failed
verdicts after `MAX_ATTEMPTS`, and so is one that waited for longer than the settings allow.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from assay.inference.engine import Priority
from assay.ingest.spans import values_of
from assay.schema.errors import AssayError, InputError, OverloadedError
from assay.schema.example import Example
from assay.schema.ids import canonical_json, new_id, utc_now
from assay.schema.verdict import Action, Failed
from assay.serving.asked import Asked, VerdictGiven
from assay.serving.recorder import Recorder, write
from assay.serving.service import Service
from assay.serving.verdict_shape import plain_verdict
from assay.store import deliveries, events, verdicts
from assay.store.database import Database
from assay.store.deliveries import Delivery
from assay.store.events import Event
from assay.store.leases import Lease

BATCH_EVENTS = 64
MAX_ATTEMPTS = 20
IDLE_S = 0.5
AGAIN_S = 0.25
PATIENCE = 10  # deadlines of an event that one of its judges may wait to be let in
LOOK_UP_S = 5.0
HOUR_S = 3600.0

_log = logging.getLogger(__name__)


class TooOldError(AssayError):
    """An event waited for so long that its verdict is of no use any more."""

    code = "too-old"


@dataclass(frozen=True, kw_only=True)
class _Judged:
    event: Event
    verdicts: tuple[VerdictGiven, ...]
    refused: bool = False  # the database did not take what was judged, so these verdicts are failed ones


class _Gathers:
    """Keeps verdicts until their event is finished with them."""

    def __init__(self) -> None:
        self.found: list[VerdictGiven] = []

    async def keep(self, given: tuple[VerdictGiven, ...]) -> None:
        self.found.extend(given)


class Worker:
    """One worker of one process. `owner` is the process's name, which its leases carry; `finished` is called when
    events are, for there may be something to deliver; `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        service: Service,
        recorder: Recorder,
        owner: str,
        finished: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._service = service
        self._recorder = recorder
        self._owner = owner
        self._lease_s = service.settings.lease_s
        self._patience_s = PATIENCE * service.settings.event_deadline_ms / 1000
        self._max_age_hours = service.settings.event_max_age_hours
        self._woken = asyncio.Event()
        self._finished = finished
        self._clock = clock

    def wake(self) -> None:
        """There may be work."""
        self._woken.set()

    async def run(self) -> None:
        """Work for ever. A database that is away is waited for."""
        while True:
            try:
                worked = await self.step()
            except AssayError as error:
                _log.warning("the event queue is out of reach", extra={"problem": error.problem})
                await asyncio.sleep(IDLE_S)
                continue
            if not worked:
                self._woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_S):  # wait_for can swallow a cancellation (Python 3.11)
                        await self._woken.wait()

    async def step(self) -> int:
        """Judge one batch. Returns how many events there were. Raises AssayError (the database)."""
        batch = await asyncio.to_thread(self._claim)
        if not batch:
            return 0
        if too_old := sum(map(self._is_too_old, batch)):
            _log.warning("events waited for too long and are not judged", extra={"events": too_old})
        renewing = asyncio.create_task(self._renew())
        try:
            judged = await asyncio.gather(*(self._judge(event) for event in batch))
            await self._finish(judged)
        except Exception:
            with suppress(Exception):  # else the lease runs out by itself; what went wrong first is what counts
                await asyncio.to_thread(self._release)
            raise
        finally:
            renewing.cancel()
        return len(batch)

    async def _judge(self, event: Event) -> _Judged:
        gathers = _Gathers()
        given_up = self._given_up(event)
        for ref in event.body["judges"]:
            try:
                if given_up is not None:
                    raise given_up
                await self._ask(event, ref, gathers)
            except AssayError as error:
                gathers.found.append(await self._failed(event, ref, error))
            except Exception:  # the other events of the batch must not be taken along
                _log.exception("an event broke", extra={"event": event.id, "judge": ref})
                gathers.found.append(await self._failed(event, ref, AssayError("Assay made a mistake.")))
        return _Judged(event=event, verdicts=tuple(gathers.found))

    def _given_up(self, event: Event) -> AssayError | None:
        """Why an event is not judged any more."""
        if event.attempts > MAX_ATTEMPTS:
            return AssayError(f"The event was given up: it was begun {event.attempts - 1} times.")
        if self._is_too_old(event):
            return TooOldError(f"The event waited for more than {self._max_age_hours:g} hours, so it was not judged.")
        return None

    def _is_too_old(self, event: Event) -> bool:
        """A trace or session waits from the moment when it was quiet."""
        if self._max_age_hours is None:
            return False
        since_s = max(datetime.fromisoformat(event.created_at).timestamp(), event.ready_at_s)
        return self._clock() - since_s > self._max_age_hours * HOUR_S

    async def _ask(self, event: Event, ref: str, gathers: _Gathers) -> None:
        """Ask one judge until it is let in. Raises OverloadedError where that takes too long for the events behind."""
        until_s = time.monotonic() + self._patience_s
        while True:
            try:
                await self._service.judge(self._asked(event, ref), gathers)
            except OverloadedError as error:
                rest_s = max(error.retry_after_s, AGAIN_S)
                if time.monotonic() + rest_s > until_s:
                    raise
                await asyncio.sleep(rest_s)
            else:
                return

    def _asked(self, event: Event, ref: str) -> Asked:
        body = event.body
        return Asked(
            request_id=body["request_id"],
            judges=(ref,),
            values=values_of(body),
            deadline_s=time.monotonic() + self._service.settings.event_deadline_ms / 1000,
            key=body.get("key") or event.id,
            mode=body.get("mode", "single-token"),
            priority=Priority.ASYNCHRONOUS,
            event_id=event.id,
            trace_id=body.get("trace_id"),
            span_id=body.get("span_id"),
        )

    async def _failed(self, event: Event, ref: str, error: AssayError) -> VerdictGiven:
        action = await self._declared_action(ref, event.body.get("key") or event.id)
        verdict = Failed(reason=error.problem, action=action, judge=ref, reason_code=error.code)
        given = verdicts.GivenVerdict(
            id=new_id("vd"),
            request_id=event.body["request_id"],
            name=ref.partition("@")[0],
            criterion="",
            role="asked",
            verdict=verdict,
            action=verdict.action,
            service_ms=0.0,
            created_at=utc_now(),
            event_id=event.id,
            trace_id=event.body.get("trace_id"),
            span_id=event.body.get("span_id"),
        )
        return VerdictGiven(given=given, example=Example(id=event.id))

    async def _finish(self, judged: Iterable[_Judged]) -> None:
        """Write it all, however long the database stays away. What it will never take ends with a failed verdict."""
        waiting = [list(judged)]
        while waiting:
            work = waiting.pop(0)
            try:
                await asyncio.to_thread(self._write, work)
            except InputError as error:  # for good, and because of one of them: the others must not wait for it
                if len(work) == 1 and work[0].refused:
                    raise
                waiting += [[one] for one in work] if len(work) > 1 else [[await self._refused(work[0], error)]]
            except AssayError as error:
                _log.warning("finished events wait for the database", extra={"problem": error.problem})
                waiting.insert(0, work)
                await asyncio.sleep(AGAIN_S)
        self._finished()

    async def _refused(self, one: _Judged, error: AssayError) -> _Judged:
        _log.error("the database does not take an event's verdicts", extra={"event": one.event.id})
        failed = []
        for verdict in one.verdicts:
            judge = verdict.given.verdict.judge
            action = await self._declared_action(judge, one.event.id)
            said = Failed(reason=error.problem, action=action, judge=judge, reason_code=error.code)
            given = replace(verdict.given, verdict=said, action=action)
            failed.append(VerdictGiven(given=given, example=Example(id=one.event.id)))
        return replace(one, verdicts=tuple(failed), refused=True)

    async def _declared_action(self, ref: str, key: str) -> Action:
        """What a judge's version says of requests that it cannot answer; `allow-and-flag` where there is no version."""
        try:
            version = await self._service.version(ref, key=key, deadline_s=time.monotonic() + LOOK_UP_S)
        except AssayError:
            return "allow-and-flag"
        return version.fallback

    def _write(self, work: list[_Judged]) -> None:
        kept = {one.event.id: _kept(one.event.body) for one in work}
        with self._database.begin() as connection:
            mine = events.finish(connection, self._owner, kept)
            done = [one for one in work if one.event.id in mine]
            write(connection, [row for one in done for row in self._recorder.rows(one.verdicts)])
            deliveries.add(connection, [self._delivery(one) for one in done if one.event.body.get("webhook")])

    def _delivery(self, one: _Judged) -> Delivery:
        message = {
            "type": "verdicts",
            "event_id": one.event.id,
            "verdicts": [plain_verdict(self._recorder.text.of_verdict(verdict.given)) for verdict in one.verdicts],
        }
        return Delivery(id=f"msg_{one.event.id}", webhook=one.event.body["webhook"], body=canonical_json(message))

    def _release(self) -> None:
        with self._database.begin() as connection:
            events.release(connection, [self._owner])

    def _claim(self) -> tuple[Event, ...]:
        with self._database.begin() as connection:
            return events.claim(connection, self._lease(), BATCH_EVENTS)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await asyncio.to_thread(self._renew_now)
            except AssayError:
                continue  # the lease may run out: then another worker takes over, and `finish` writes nothing

    def _renew_now(self) -> None:
        with self._database.begin() as connection:
            events.renew(connection, self._lease())

    def _lease(self) -> Lease:
        return Lease(owner=self._owner, now_s=self._clock(), length_s=self._lease_s)


def _kept(body: Mapping[str, Any]) -> dict[str, Any]:
    """What stays of an event that is done: everything but the text, which stands, redacted, with its verdicts."""
    return {name: value for name, value in body.items() if name not in ("values", "spans")}
