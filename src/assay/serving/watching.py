"""Watch: sees that aliases moved and that judges appeared, and lets the service know, without a restart.

One `step` looks at the folder of judges (a judge that was copied in is verified and recorded), looks once at all
aliases, loads the versions that they now point at, and only then gives the service its new table. An alias whose
version cannot be loaded goes on pointing where it did: the old one keeps serving, and the problem is reported. When
memory is short a champion stays before a canary, a canary before a shadow.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from assay.registry import Registry
from assay.schema.errors import AssayError
from assay.serving.instruments import Instruments
from assay.serving.judges_loaded import JudgesLoaded, said_of
from assay.serving.routing import RoutingTable
from assay.serving.service import Service
from assay.serving.settings import ServingSettings

SERVED = ("champion", "canary", "shadow")  # loaded ahead; any other version is loaded when it is asked for

_log = logging.getLogger(__name__)


class Watch:
    """Watches one registry for one service. `problems` says what could not be taken, by version or folder."""

    def __init__(
        self,
        registry: Registry,
        folder: Path,
        service: Service,
        judges: JudgesLoaded,
        instruments: Instruments,
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._service = service
        self._judges = judges
        self._instruments = instruments
        self._looked_at: dict[str, float] = {}
        self._folder_problems: dict[str, str] = {}
        self.problems: Mapping[str, str] = {}
        self.looked = False

    async def run(self, every_s: float) -> None:
        """Step for ever. A database that is away is waited for; meanwhile the service goes on as it is."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.step()
            except AssayError as error:
                _log.warning("could not look at the aliases", extra={"problem": error.problem})

    async def step(self) -> bool:
        """Look once. True when the table changed. Raises AssayError (the database)."""
        await asyncio.to_thread(self._adopt_new)
        wanted = await asyncio.to_thread(self._registry.pointing)
        now = self._service.table.pointing
        self._judges.weights = weights(wanted.values())
        load = sorted(self._judges.weights, key=lambda version: (self._judges.weights[version], version))
        failed = await self._judges.ensure(load)
        self._report({version: said_of(error) for version, error in failed.items()})
        table = {name: usable(pointing, now.get(name, {}), failed.keys()) for name, pointing in wanted.items()}
        self.looked = True
        if table == now:
            return False
        self._service.table = RoutingTable(pointing=table)
        self._pin()
        self._instruments.moves.inc()
        return True

    def _pin(self) -> None:
        settings: ServingSettings = self._service.settings
        pointing = self._service.table.pointing
        self._judges.pinned = frozenset(
            pointing[name]["champion"]
            for name, judge in settings.judges.items()
            if judge.pinned and "champion" in pointing.get(name, {})
        )

    def _report(self, problems: Mapping[str, str]) -> None:
        found = {**self._folder_problems, **problems}
        for name, problem in found.items():
            if self.problems.get(name) != problem:
                _log.error("a judge cannot be served", extra={"judge": name, "problem": problem})
        self.problems = found
        self._instruments.broken(found)

    def _adopt_new(self) -> None:
        """Record judges that somebody copied into the folder."""
        if not self._folder.is_dir():
            return
        known = {version.id for version in self._registry.versions()} if self._has_new() else set()
        for folder in self._new():
            self._looked_at[folder.name] = folder.stat().st_mtime
            self._folder_problems.pop(folder.name, None)
            if folder.name in known:
                continue
            try:
                adopted = self._registry.adopt(folder)
                _log.info("a judge was copied in", extra={"judge": adopted.id})
            except AssayError as error:
                self._folder_problems[folder.name] = said_of(error)
                self._looked_at.pop(folder.name)  # it may still be arriving

    def _has_new(self) -> bool:
        return next(iter(self._new()), None) is not None

    def _new(self) -> list[Path]:
        folders = [path for path in self._folder.iterdir() if path.is_dir() and path.name[:1] != "."]
        return [path for path in folders if self._looked_at.get(path.name) != path.stat().st_mtime]


def ahead(pointing: Mapping[str, str]) -> frozenset[str]:
    """The versions of a name that are loaded before anybody asks; a candidate only while there is no champion."""
    aliases = SERVED if "champion" in pointing else (*SERVED, "candidate")
    return frozenset(pointing[alias] for alias in aliases if alias in pointing)


def weights(pointings: Iterable[Mapping[str, str]]) -> dict[str, int]:
    """The versions that are loaded ahead, each with its weight: the least stays in memory longest.

    >>> weights([{"champion": "a-1", "shadow": "a-2"}, {"candidate": "b-1"}])
    {'a-2': 2, 'a-1': 0, 'b-1': 3}
    """
    found: dict[str, int] = {}
    for pointing in pointings:
        for alias in reversed((*SERVED, "candidate")):
            if pointing.get(alias) in ahead(pointing):
                found[pointing[alias]] = (*SERVED, "candidate").index(alias)
    return found


def usable(wanted: Mapping[str, str], now: Mapping[str, str], failed: Collection[str]) -> dict[str, str]:
    """Where the aliases of a name point, those that wanted a failed version staying where they are.

    A champion that was nowhere before points at the failed version: its fallback chain speaks.

    >>> usable({"champion": "a-2", "shadow": "a-3"}, {"champion": "a-1"}, {"a-2", "a-3"})
    {'champion': 'a-1'}
    """
    found = {}
    for alias, version in wanted.items():
        if version not in failed or alias not in SERVED:
            found[alias] = version
        elif alias in now:
            found[alias] = now[alias]
        elif alias == "champion":
            found[alias] = version
    return found
