"""What loads judges into this server: engines shared by judges of one backbone, with the rungs of this workspace.

    load = JudgeLoader(rungs_of(database, settings))
    ready = load(version, folder)

torch is imported when the first judge is loaded, not before. An engine that is lost is closed by the first judge that
leaves it; whoever is loaded next gets a fresh one.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from assay.api.extras import needs_models
from assay.schema.judge_version import NO_PLACES, JudgeVersion, Places
from assay.serving.fallback import FallbackChain
from assay.serving.judges_loaded import ReadyJudge, ServingJudge
from assay.serving.rung import TimedJudge
from assay.serving.rungs import Rungs

if TYPE_CHECKING:
    from assay.inference.engine import Engine
    from assay.inference.factory import Engines


class JudgeLoader:
    """Makes judge versions ready. Safe between threads.

    Args:
        rungs: makes their fallback chains and escalators.
        make_engine: builds the engine of a backbone, by default the one that suits this machine.
        small: loads a judge that needs no engine, instead; for tests of what is around judges.
        places: where the folders of backbones lie.
        keeps_text: whether verdicts are kept with their texts, so that people can look at what was escalated to them.

    """

    def __init__(
        self,
        rungs: Rungs,
        make_engine: "Callable[[JudgeVersion], Engine] | None" = None,
        small: "Callable[[JudgeVersion, Path], ServingJudge] | None" = None,
        *,
        places: Places = NO_PLACES,
        keeps_text: bool = True,
    ) -> None:
        self._rungs = rungs
        self._keeps_text = keeps_text
        self._make_engine = make_engine
        self._places = places
        self._small = small
        self._engines: Engines | None = None
        self.larger: Callable[[str], TimedJudge] | None = None  # finds the judge that an escalation names

    def __call__(self, version: JudgeVersion, folder: Path) -> ReadyJudge:
        """A version from its verified folder. Raises AssayError."""
        chain = self.chain(version, folder)
        no_people = _no_people(version, self._keeps_text)
        escalator = self._rungs.escalator(version, larger=self._larger(version), no_people=no_people)
        if self._small is not None:
            judge = self._small(version, folder)
            return ReadyJudge(version=version, judge=judge, chain=chain, escalator=escalator)
        with needs_models():
            from assay.judging.slm import SmallJudge  # noqa: PLC0415 - torch, only where a judge runs

        engines = self._shared()
        engine = engines.join(version)
        try:
            judge = SmallJudge.load(version, folder, engine)
        except BaseException:
            engines.leave(version, engine)
            raise
        return ReadyJudge(
            version=version,
            judge=judge,
            chain=chain,
            escalator=escalator,
            engine=engine,
            unload=lambda: engines.leave(version, engine),
        )

    def chain(self, version: JudgeVersion, folder: Path) -> FallbackChain:
        """Who answers where a version cannot run."""
        return self._rungs.chain(version, folder)

    def close(self) -> None:
        """End all engines."""
        if self._engines is not None:
            self._engines.close()

    def _larger(self, version: JudgeVersion) -> TimedJudge | None:
        named = None if version.escalation is None else version.escalation.judge
        return None if named is None or self.larger is None else self.larger(named)

    def _shared(self) -> "Engines":
        if self._engines is None:
            from assay.inference.factory import Engines, shared_engine  # noqa: PLC0415 - torch

            self._engines = Engines(self._make_engine or partial(shared_engine, places=self._places))
        return self._engines


def _no_people(version: JudgeVersion, keeps_text: bool) -> str:
    """Why people cannot be asked what this judge declines; empty where they can."""
    if not keeps_text:
        return "people have nothing to look at: keep_text in [serving] is false"
    if version.criterion.scale.kind == "multi-label":
        return "the labelling page gives one answer for each example, and the scale is multi-label"
    return ""
