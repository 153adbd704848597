"""`GET /v1/judges`: which judges there are, where their aliases point, and what could not be loaded."""

import asyncio
from typing import Any

from fastapi import APIRouter

from assay.schema.judge_version import JudgeVersion
from assay.server.asking import MayRead, ServingHere
from assay.server.bodies import JudgesBody
from assay.server.problems import EVERYWHERE

judges_routes = APIRouter(prefix="/v1", tags=["judges"], responses=EVERYWHERE)


@judges_routes.get("/judges", response_model=JudgesBody)
async def judges(serving: ServingHere, caller: MayRead) -> dict[str, Any]:
    """The judge versions of this workspace, oldest first."""
    del caller
    versions = await asyncio.to_thread(serving.registry.versions)
    pointing = serving.service.table.pointing
    loaded = {ready.version.id: ready for ready in serving.judges.ready()}

    def state(version: JudgeVersion) -> dict[str, Any]:
        aliases = [alias for alias, target in pointing.get(version.name, {}).items() if target == version.id]
        ready = loaded.get(version.id)
        return {
            "id": version.id,
            "name": version.name,
            "criterion": version.criterion.key,
            "question": version.criterion.question,
            "labels": list(version.criterion.labels),
            "positive": version.criterion.scale.positive,
            "threshold": version.decision.threshold,
            "aliases": sorted(aliases),
            "loaded": ready is not None,
            "missing": [] if ready is None else list(ready.missing),
        }

    return {"judges": [state(version) for version in versions], "problems": dict(serving.watch.problems)}
