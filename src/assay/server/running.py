"""Serving: everything that one server consists of, put together and taken apart again.

with serving_of(settings) as serving:
    async with serving.at_work():
        await serving.service.judge(asked, serving.recorder)
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.api.language_models import rungs_of
from assay.config import Settings, secret
from assay.inference.footprint import footprint_elsewhere, footprint_of
from assay.ingest.redaction import RedactionRules, Redactor
from assay.registry import Registry
from assay.schema.errors import AssayError
from assay.schema.judge_version import JudgeVersion
from assay.server.access import Access
from assay.server.late_answers import LateAnswers
from assay.server.loading import JudgeLoader
from assay.serving.admission import Admission
from assay.serving.endless import ended, endless
from assay.serving.instruments import Instruments
from assay.serving.intake import Intake
from assay.serving.judges_loaded import JudgesLoaded, ServingJudge
from assay.serving.kept_text import KeptText
from assay.serving.larger import LargerJudge
from assay.serving.level_memory import keep_few_prepared, keep_giving_back
from assay.serving.process import ServingProcess, serving_process
from assay.serving.recorder import Recorder
from assay.serving.retention import Retention
from assay.serving.service import Service
from assay.serving.settings import ServingSettings
from assay.serving.telemetry import Telemetry, read_headers
from assay.serving.watching import Watch
from assay.serving.webhooks import Webhooks
from assay.serving.worker import Worker
from assay.store import deliveries, events
from assay.store.database import Database, open_database

if TYPE_CHECKING:
    from assay.inference.engine import Engine

_log = logging.getLogger(__name__)
_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Serving:
    """The parts of a running server."""

    settings: Settings
    limits: ServingSettings
    database: Database
    registry: Registry
    process: ServingProcess
    judges: JudgesLoaded
    service: Service
    recorder: Recorder
    watch: Watch
    intake: Intake
    worker: Worker
    webhooks: Webhooks
    retention: Retention
    instruments: Instruments
    access: Access
    late_answers: LateAnswers

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Take over what dead processes left, load the judges, and keep everything going until the end of the block."""
        await asyncio.to_thread(self.take_over)
        await self.watch.step()
        running = [asyncio.create_task(endless(name, work)) for name, work in self._endless_work().items()]
        try:
            yield
        finally:
            await self.service.settle_shadows()
            await ended(running)
            await self.late_answers.close()
            await asyncio.to_thread(self._let_go)
            await asyncio.to_thread(self.recorder.close)

    def _endless_work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        work: dict[str, Callable[[], Awaitable[None]]] = {
            "watch": lambda: self.watch.run(self.limits.watch_s),
            "intake": self.intake.run,
            "worker": self.worker.run,
            "webhooks": self.webhooks.run,
            "retention": self.retention.run,
            "late-answers": self.late_answers.run,
            "take-over": self._keep_taking_over,
            "memory": keep_giving_back,
        }
        if self.instruments.telemetry is not None:
            work["telemetry"] = self.instruments.telemetry.run
        return work

    async def _keep_taking_over(self) -> None:
        """Another server of this workspace may die while this one lives."""
        while True:
            await asyncio.sleep(self.limits.lease_s)
            await asyncio.to_thread(self.take_over)

    def take_over(self) -> None:
        """What dead processes of this workspace held is free again, what they had not recorded is recorded."""
        for name, journal in self.process.dead():
            rows = self.recorder.take_over(journal)
            with self.database.begin() as connection:
                held = events.release(connection, [name]) + deliveries.release(connection, [name])
            _log.warning("took over from a process that is gone", extra={"gone": name, "rows": rows, "held": held})

    def _let_go(self) -> None:
        try:
            with self.database.begin() as connection:
                events.release(connection, [self.process.name])
                deliveries.release(connection, [self.process.name])
        except AssayError as error:
            _log.warning("leases were not given back; they run out", extra={"problem": error.problem})


@contextmanager
def serving_of(
    settings: Settings,
    *,
    make_engine: "Callable[[JudgeVersion], Engine] | None" = None,
    small: Callable[[JudgeVersion, Path], ServingJudge] | None = None,
    open_access: bool = False,
) -> Iterator[Serving]:
    """The parts of a server of this workspace. Raises AssayError.

    Args: `make_engine` builds the engine of a backbone, by default the one that suits this machine; `small` loads
    judges that need none; `open_access` lets callers in without a key while there are no keys.
    """
    # the tokenizer's own threads would stand in the way of the engine's: a text of 119 tokens under an int8 judge took
    # 11.4 ms beside them and 9.6 without
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keep_few_prepared()
    limits = ServingSettings.from_mapping(settings.serving)
    redactor = Redactor(RedactionRules.from_mapping(settings.redaction))
    settings.data.mkdir(exist_ok=True)
    database = open_database(settings.database_url)
    try:
        with serving_process(settings.serving_files) as process:
            recorder = Recorder(database, process, KeptText(redactor=redactor, keeps=limits.keep_text))
            load = JudgeLoader(
                rungs_of(database, settings),
                make_engine or _remote(settings),
                small,
                places=settings.engine.backbones,
                keeps_text=limits.keep_text,
            )
            serving = _assembled(settings, limits, database, process, recorder, load, open_access)
            try:
                yield serving
            finally:
                recorder.close()
                load.close()
    finally:
        database.close()


def _telemetry(limits: ServingSettings) -> Telemetry | None:
    """What tells the collector that assay.toml names; None where it names none."""
    if limits.otlp_endpoint is None:
        return None
    variable = limits.otlp_headers_variable
    return Telemetry(limits.otlp_endpoint, None if variable is None else read_headers(secret(variable) or ""))


def _remote(settings: Settings) -> "Callable[[JudgeVersion], Engine] | None":
    """Engines on the vLLM servers that assay.toml names, None where judges run in this process."""
    servers = settings.engine.servers
    if servers is None:
        return None
    from assay.inference.vllm.engine import VllmEngine  # noqa: PLC0415 - only where it is asked for

    return lambda _: VllmEngine(servers)


def _assembled(  # noqa: PLR0913, PLR0917 - called once, by serving_of
    settings: Settings,
    limits: ServingSettings,
    database: Database,
    process: ServingProcess,
    recorder: Recorder,
    load: JudgeLoader,
    open_access: bool,
) -> Serving:
    registry = Registry(database, settings.judges)
    instruments = Instruments()
    instruments.telemetry = _telemetry(limits)
    footprint = footprint_of if settings.engine.servers is None else footprint_elsewhere
    judges = JudgesLoaded(registry, load, max_bytes=limits.memory_mb * _MIB, footprint=footprint)
    load.larger = lambda version: LargerJudge(version, judges)
    admission = Admission(max_tokens=limits.max_tokens_in_flight)
    service = Service(judges=judges, admission=admission, shadows=recorder, settings=limits, instruments=instruments)
    webhooks = Webhooks(database, settings.webhooks, process.name)
    worker = Worker(database, service, recorder, process.name, webhooks.wake)
    instruments.gauge("assay_tokens_in_flight", "Tokens admitted and not answered.", lambda: admission.tokens_in_flight)
    instruments.gauge("assay_verdicts_waiting", "Verdicts that the database lacks.", lambda: recorder.waiting)
    instruments.gauge("assay_verdicts_refused", "Verdicts that the database refused.", recorder.refused.count)
    instruments.gauge("assay_judges_loaded", "Judge versions in memory.", lambda: len(judges.ready()))
    instruments.gauge("assay_judges_bytes", "Memory that they take (an estimate).", lambda: judges.bytes_used)
    return Serving(
        settings=settings,
        limits=limits,
        database=database,
        registry=registry,
        process=process,
        judges=judges,
        service=service,
        recorder=recorder,
        watch=Watch(registry, settings.judges, service, judges, instruments),
        intake=Intake(database, worker.wake),
        worker=worker,
        webhooks=webhooks,
        retention=Retention(database, limits.retention_days),
        instruments=instruments,
        access=Access(database, limits, open_access=open_access),
        late_answers=LateAnswers(database),
    )
