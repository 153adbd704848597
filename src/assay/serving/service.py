"""Service: the life of a request, in one function.

    answered = await service.judge(asked, keeps)

Route (champion, canary share, shadow copies) → judge with a deadline → where it could not run, its declared fallback
chain → where it abstained, its escalation → keep → answer. It knows nothing of HTTP, of the engine's batches, or of
where verdicts are kept.
"""

import asyncio
import logging
import time
from dataclasses import replace

from assay.inference.engine import Priority
from assay.ingest.examples import example_of
from assay.schema.criterion import Criterion
from assay.schema.errors import (
    AssayError,
    DeadlineExceededError,
    EngineLostError,
    InputError,
    OverloadedError,
    RequestFailedError,
    UnsupportedJudgeError,
)
from assay.schema.example import Example
from assay.schema.ids import digest_json, new_id, utc_now
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Abstained, Action, Failed, Verdict
from assay.serving.admission import Admission, estimated_tokens
from assay.serving.asked import AS_OUR_FIELDS, Answered, Asked, Keeps, VerdictGiven
from assay.serving.instruments import Instruments
from assay.serving.judges_loaded import LEAST_TIME_S, JudgesLoaded, ReadyJudge
from assay.serving.routing import Route, RoutingTable
from assay.serving.settings import JudgeSettings, ServingSettings
from assay.store.verdicts import GivenVerdict

MAX_SHADOWS = 64  # copies in flight; more are shed, for nobody waits for them

_log = logging.getLogger(__name__)


class Service:
    """Answers requests with the judges that are loaded.

    Args:
        judges: the versions in memory.
        admission: lets work in, or refuses it.
        shadows: keeps the verdicts of shadow copies, which nobody waits for.
        settings: limits and actions.
        instruments: what is measured.

    """

    def __init__(
        self,
        *,
        judges: JudgesLoaded,
        admission: Admission,
        shadows: Keeps,
        settings: ServingSettings,
        instruments: Instruments,
    ) -> None:
        self.table = RoutingTable()  # replaced whole, by whoever watches the aliases
        self.judges = judges
        self.admission = admission
        self.settings = settings
        self._shadow_keeps = shadows
        self._instruments = instruments
        self._shadows: set[asyncio.Task[None]] = set()

    async def judge(self, asked: Asked, keeps: Keeps) -> Answered:
        """Route → judge → fall back → escalate → keep. One verdict for each judge asked, in order.

        Raises InputError (a reference or an example that cannot be judged), NotFoundError (no such judge),
        OverloadedError (come again later), AssayError (the verdicts could not be kept, so they are not given).
        """
        began = time.monotonic()
        table = self.table  # aliases may move meanwhile; this request sees one state of them
        routes = [self._route(table, ref, asked.key) for ref in asked.judges]
        tokens = estimated_tokens(asked.chars, len(routes))
        if asked.waits:
            await self.admission.room(tokens=tokens, priority=asked.priority, deadline_s=asked.deadline_s)
        left_s = asked.deadline_s - time.monotonic()
        with self.admission.admitted(tokens=tokens, priority=asked.priority, left_s=left_s) as admitted:
            if len(routes) == 1:  # a task costs more than it brings
                verdicts = [await self._verdict(asked, routes[0], began)]
            else:
                verdicts = await asyncio.gather(*(self._verdict(asked, route, began) for route in routes))
            fallen = sum(one.given.verdict.route.startswith("fallback") for one in verdicts)
            admitted.done_tokens -= tokens * fallen // len(verdicts)
        await keeps.keep(tuple(verdicts))
        for route, one in zip(routes, verdicts, strict=True):
            self._instruments.answered(one.given, asked)
            self._copy_to_shadow(table, route, asked, one)
        return Answered(request_id=asked.request_id, verdicts=tuple(verdicts))

    async def version(self, ref: str, *, key: str, deadline_s: float) -> JudgeVersion:
        """The version that would judge a request with this key; it need not be in memory.

        Raises InputError, NotFoundError (no such judge), OverloadedError (it cannot be looked up in time).
        """
        return await self.judges.version(self._route(self.table, ref, key).version, deadline_s)

    async def criterion(self, ref: str, *, key: str, deadline_s: float) -> Criterion:
        """The question of `version`."""
        return (await self.version(ref, key=key, deadline_s=deadline_s)).criterion

    async def _verdict(self, asked: Asked, route: Route, began: float) -> VerdictGiven:
        with await self.judges.using(route.version, asked.deadline_s) as ready:
            example = example_of(asked.values, AS_OUR_FIELDS, ready.version.criterion)
            verdict = await _judged(ready, example, asked)
            if isinstance(verdict, Abstained) and ready.escalator is not None and route.role != "shadow":
                verdict = await ready.escalator.escalate(example, verdict, deadline_s=asked.deadline_s)
        given = GivenVerdict(
            id=_verdict_id(asked, ready.version.id, route),
            request_id=asked.request_id,
            name=route.name,
            criterion=ready.version.criterion.key,
            role=route.role,
            verdict=verdict,
            action=action_of(verdict, ready, self.settings.judge(route.name)),
            service_ms=(time.monotonic() - began) * 1e3,
            created_at=utc_now(),
            event_id=asked.event_id,
            trace_id=asked.trace_id,
            span_id=asked.span_id,
        )
        return VerdictGiven(given=given, example=example)

    def _route(self, table: RoutingTable, ref: str, key: str) -> Route:
        name = ref.partition("@")[0]
        return table.route(ref, key=key, canary_share=self.settings.share_of_canary(name))

    def _copy_to_shadow(self, table: RoutingTable, route: Route, asked: Asked, one: VerdictGiven) -> None:
        version = table.shadow(route.name)
        if version is None or route.role not in ("champion", "canary") or version == one.given.verdict.judge:
            return
        if len(self._shadows) >= MAX_SHADOWS or not self.judges.holds(version):  # nobody falls back for a copy
            self._instruments.shed(Priority.SHADOW)
            return
        copy = replace(asked, judges=(version,), priority=Priority.SHADOW, deadline_s=time.monotonic() + 10.0)
        task = asyncio.create_task(self._shadow(copy, Route(name=route.name, version=version, role="shadow")))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _shadow(self, asked: Asked, route: Route) -> None:
        try:
            tokens, began = estimated_tokens(asked.chars, 1), time.monotonic()
            left_s = asked.deadline_s - began
            with self.admission.admitted(tokens=tokens, priority=Priority.SHADOW, left_s=left_s):
                one = await self._verdict(asked, route, began)
            await self._shadow_keeps.keep((one,))
            self._instruments.answered(one.given, asked)
        except OverloadedError:
            self._instruments.shed(Priority.SHADOW)
        except AssayError as error:
            _log.warning("a shadow copy came to nothing", extra={"judge": route.version, "code": error.code})

    async def settle_shadows(self) -> None:
        """Wait for the shadow copies in flight."""
        await asyncio.gather(*self._shadows, return_exceptions=True)


async def _judged(ready: ReadyJudge, example: Example, asked: Asked) -> Verdict:
    """The judge's verdict, or that of its fallback chain where the judge could not run.

    Raises UnsupportedJudgeError (a mode that the judge does not have), and nothing else.
    """
    deadline_s = ready.chain.judge_until(asked.deadline_s)
    try:
        async with asyncio.timeout(max(deadline_s - time.monotonic(), LEAST_TIME_S)):
            verdict = await ready.judge.judge_async(
                example, deadline_s=deadline_s, priority=asked.priority, mode=asked.mode
            )
    except TimeoutError:  # an engine that stalls does not end anything itself
        return await ready.chain.answer(example, DeadlineExceededError.code, deadline_s=asked.deadline_s)
    except (OverloadedError, DeadlineExceededError, EngineLostError, RequestFailedError) as error:
        return await ready.chain.answer(example, error.code, deadline_s=asked.deadline_s)
    except UnsupportedJudgeError:  # a mode that the judge does not have: the caller's mistake
        raise
    except InputError as error:
        return Failed(
            reason=error.problem, action=ready.version.fallback, judge=ready.version.id, reason_code=error.code
        )
    except Exception:  # a defect of ours must not take the request with it: that is what the fallback is declared for
        _log.exception("a judge broke", extra={"judge": ready.version.id})
        return await ready.chain.answer(example, "broken", deadline_s=asked.deadline_s)
    if isinstance(verdict, Failed) and verdict.reason_code != InputError.code:
        return await ready.chain.answer(example, verdict.reason_code, deadline_s=asked.deadline_s)
    return verdict


def action_of(verdict: Verdict, ready: ReadyJudge, settings: JudgeSettings) -> Action:
    """What a verdict means for the request.

    A Failed one carries its own action. An Abstained one is flagged: nobody said that it is fine. A Decided one is
    acted on when its label is one of `act_on`, by default the positive label of a binary scale.
    """
    if isinstance(verdict, Failed):
        return verdict.action
    if isinstance(verdict, Abstained):
        return "flag"
    positive = ready.version.criterion.scale.positive
    act_on = settings.act_on if settings.act_on is not None else (positive,)
    return settings.action if verdict.label in act_on else "allow"


def _verdict_id(asked: Asked, version: str, route: Route) -> str:
    """New for a request; for an event always the same, so that judging it again gives no second verdict."""
    if asked.event_id is None:
        return new_id("vd")
    return f"vd_{digest_json([asked.event_id, route.name, route.role, version])[:26]}"
