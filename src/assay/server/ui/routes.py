"""`/ui`: the live page, its files, and the numbers that it shows."""

from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from assay.server.asking import MayRead, ServingHere

ui_routes = APIRouter(include_in_schema=False)
PAGE = files("assay.server.ui") / "page"
TYPES = {"index.html": "text/html", "live.js": "text/javascript", "style.css": "text/css"}


@ui_routes.get("/")
@ui_routes.get("/ui")
async def to_page() -> Response:
    """The page is at `/ui/`."""
    return RedirectResponse("/ui/")


@ui_routes.get("/ui/label")
async def to_labelling() -> Response:
    """The labelling page is at `/ui/label/`."""
    return RedirectResponse("/ui/label/")


@ui_routes.get("/ui/")
async def page() -> Response:
    """The page itself, which asks for its numbers."""
    return _file("index.html")


@ui_routes.get("/ui/live.json")
async def live(serving: ServingHere, caller: MayRead) -> Response:
    """The last quarter of an hour, and how the server is."""
    del caller
    return JSONResponse(_live(serving))


@ui_routes.get("/ui/{name}")
async def file(name: str) -> Response:
    """One of the page's files."""
    if name not in TYPES:
        raise HTTPException(404, "There is no such page.")
    return _file(name)


def _file(name: str) -> Response:
    return Response((PAGE / name).read_bytes(), media_type=TYPES[name], headers={"Cache-Control": "no-cache"})


def _live(serving: Any) -> dict[str, Any]:
    service = serving.service
    pointing = service.table.pointing
    loaded = {ready.version.id for ready in serving.judges.ready()}
    judges = [
        {"name": name, "alias": alias, "version": version, "loaded": version in loaded}
        for name, aliases in sorted(pointing.items())
        for alias, version in sorted(aliases.items())
    ]
    rate = service.admission.tokens_per_s
    return {
        "traffic": serving.instruments.traffic.summary(),
        "judges": judges,
        "problems": dict(serving.watch.problems),
        "server": {
            "tokens_in_flight": service.admission.tokens_in_flight,
            "tokens_per_s": None if rate is None else round(rate),
            "verdicts_waiting": serving.recorder.waiting,
            "recorder_problem": serving.recorder.problem,
        },
    }
