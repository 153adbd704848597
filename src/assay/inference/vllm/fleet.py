"""Fleet: all replicas of a workspace. Chooses one for each request, notices losses and restarts, brings back what came
back.

A replica is used for a judge only after `make_ready` there. One that fails and is not healthy is lost: it is asked for
its health until it is well again, then everything on it is checked and loaded anew. An unknown model means that a
server was started anew behind our back (adapters that were loaded at run time are gone then): the same once, and the
request is asked again.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from assay.inference.vllm.readiness import Ready, make_ready
from assay.inference.vllm.replica import Replica, ReplicaBusy, ReplicaLost, ReplicaRefused, UnknownModel
from assay.inference.vllm.served_judge import ServedJudge
from assay.inference.vllm.servers import VllmServers
from assay.inference.vllm.wire import MalformedAnswer
from assay.schema.errors import AssayError, EngineLostError, NotFoundError, shown

ATTEMPTS = 4
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0
_LONGEST_REST_S = 10.0  # between two looks at a replica that is lost
Failure: TypeAlias = ReplicaLost | ReplicaBusy | ReplicaRefused | UnknownModel | MalformedAnswer
_FAILURES = (ReplicaLost, ReplicaBusy, ReplicaRefused, UnknownModel, MalformedAnswer)

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class _Member:
    """A replica and what is known of it."""

    replica: Replica
    up: bool = True
    ready: dict[str, Ready] = field(default_factory=dict)  # by judge
    generation: int = 0  # grows each time that everything was made ready anew
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A replica as it stands, for a status page. `judges` maps each judge that it runs to how its base was known."""

    url: str
    up: bool
    in_flight: int
    judges: Mapping[str, str]


class Fleet:
    """The replicas. Everything but `standings` runs on one event loop."""

    def __init__(self, servers: VllmServers) -> None:
        self._members = [_Member(replica=Replica(url, servers)) for url in servers.urls]
        self._judges: dict[str, ServedJudge] = {}
        self._changed = asyncio.Condition()
        self._patience_s = servers.patience_s
        self._revivals: set[asyncio.Task[None]] = set()

    def standings(self) -> tuple[Standing, ...]:
        """Every replica as it stands."""
        return tuple(
            Standing(
                url=member.replica.url,
                up=member.up,
                in_flight=member.replica.in_flight,
                judges={judge: ready.known_by for judge, ready in dict(member.ready).items()},
            )
            for member in self._members
        )

    @property
    def up(self) -> int:
        """How many replicas are up."""
        return sum(member.up for member in self._members)

    async def add(self, judge: ServedJudge) -> None:
        """Make a judge ready on every replica that serves its base. One is enough.

        Raises UnsupportedJudgeError, IntegrityError, EngineLostError where none runs it.
        """
        self._judges[judge.id] = judge
        errors = await asyncio.gather(*(self._try_ready(member, judge) for member in self._members))
        told = [error for error in errors if error is not None]
        if len(told) == len(self._members):
            del self._judges[judge.id]
            raise next((error for error in told if not isinstance(error, EngineLostError)), told[0])
        for error in told:
            _log.warning("%s runs on fewer replicas: %s", judge.id, error)

    async def remove(self, judge_id: str) -> None:
        """Forget a judge; its adapter is unloaded where no other judge here has the same."""
        judge = self._judges.pop(judge_id, None)
        shared = judge is None or any(other.adapter_name == judge.adapter_name for other in self._judges.values())
        for member in self._members:
            ready = member.ready.pop(judge_id, None)
            if ready and judge and judge.adapter_name and member.up and not shared:
                await _quietly_unload(member.replica, judge.adapter_name)

    async def complete(self, judge: str, body_for: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any]:
        """The answer to a request of a judge, from whichever replica gives one. `body_for` makes the body from the
        judge's name there.

        Raises EngineLostError, NotFoundError, ReplicaBusy, ReplicaLost, ReplicaRefused, MalformedAnswer.
        """
        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential_jitter(initial=_FIRST_WAIT_S, max=_LONGEST_WAIT_S, jitter=_FIRST_WAIT_S),
            retry=retry_if_exception_type((ReplicaLost, ReplicaBusy, MalformedAnswer)),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                return await self._once(judge, body_for)
        raise AssertionError("the last attempt answers or raises")

    async def close(self) -> None:
        """Close all connections; adapters stay loaded, others may use them. Its tasks were cancelled before."""
        for member in self._members:
            await member.replica.close()

    async def _once(self, judge: str, body_for: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any]:
        member = await self._chosen(judge)
        generation = member.generation
        try:
            try:
                return await member.replica.complete(body_for(member.ready[judge].model))
            except UnknownModel:
                await self._renew(member, generation)
                if judge not in member.ready:
                    raise ReplicaLost(f"{member.replica.url} no longer runs {judge}") from None
                return await member.replica.complete(body_for(member.ready[judge].model))
        except UnknownModel as error:
            member.ready.pop(judge, None)
            raise ReplicaLost(str(error)) from None
        except (ReplicaLost, MalformedAnswer):
            if not await _lives(member.replica):  # one bad answer, or a slow one, is not the end of a server
                self._lose(member)
            raise

    async def _chosen(self, judge: str) -> _Member:
        """The least busy replica that runs a judge, waiting a little for one to come back."""

        def able() -> list[_Member]:
            return [member for member in self._members if member.up and judge in member.ready]

        if judge in self._judges and not able():
            try:
                async with asyncio.timeout(self._patience_s), self._changed:
                    await self._changed.wait_for(able)
            except TimeoutError:
                raise EngineLostError(
                    f"No vLLM server is left for {judge}.",
                    required="one of the servers under [engine] urls up, with the judge's base model",
                    got=", ".join(f"{member.replica.url} {_said(member)}" for member in self._members),
                    next_step="start it again; it is found by itself",
                ) from None
        if judge not in self._judges:
            raise NotFoundError(f"The engine has no judge {shown(judge)}.", next_step="add it")
        return min(able(), key=lambda member: member.replica.in_flight)

    async def _try_ready(self, member: _Member, judge: ServedJudge) -> AssayError | None:
        """None where the judge is now ready there, else why not."""
        try:
            async with member.lock:
                member.ready[judge.id] = await make_ready(member.replica, judge)
        except AssayError as error:
            return error
        except _FAILURES as error:
            self._lose(member)
            return EngineLostError(
                f"The vLLM server at {member.replica.url} cannot be used.",
                got=str(error),
                next_step="start it (docs/vllm.md), check urls and api_key_variable under [engine]",
            )
        return None

    async def _renew(self, member: _Member, generation: int) -> None:
        """Make every judge ready anew on a replica, unless that was done since `generation`. Raises ReplicaLost."""
        async with member.lock:
            if member.generation != generation:
                return
            member.ready.clear()
            for judge in list(self._judges.values()):
                try:
                    member.ready[judge.id] = await make_ready(member.replica, judge)
                except (AssayError, ReplicaRefused, UnknownModel) as error:
                    _log.warning("%s no longer runs %s: %s", member.replica.url, judge.id, error)
                except (ReplicaBusy, MalformedAnswer) as error:
                    raise ReplicaLost(str(error)) from None
            member.generation += 1

    def _lose(self, member: _Member) -> None:
        if not member.up:
            return
        member.up = False
        task = asyncio.get_running_loop().create_task(self._revive(member))
        self._revivals.add(task)
        task.add_done_callback(self._revivals.discard)

    async def _revive(self, member: _Member) -> None:
        rest_s = _FIRST_WAIT_S
        while not member.up:
            await asyncio.sleep(rest_s)
            rest_s = min(rest_s * 2, _LONGEST_REST_S)
            try:
                await member.replica.healthy()
                await self._renew(member, member.generation)
            except _FAILURES:
                continue
            member.up = True
            async with self._changed:
                self._changed.notify_all()


async def _lives(replica: Replica) -> bool:
    try:
        await replica.healthy()
    except _FAILURES:
        return False
    return True


def _said(member: _Member) -> str:
    return "is up and does not run it" if member.up else "does not answer"


async def _quietly_unload(replica: Replica, name: str) -> None:
    """An adapter that cannot be unloaded is no harm: its name is its content, and the server drops what is not used."""
    try:
        await replica.unload(name)
    except _FAILURES as error:
        _log.info("%s keeps the adapter %s: %s", replica.url, name, error)
