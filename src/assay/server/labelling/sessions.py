"""Who is asking: the session cookie, the guard against other sites, and the brake on guessing.

The cookie is HttpOnly and SameSite=Strict. A request that changes anything must also carry the header `X-Assay: 1`,
which another site cannot set without asking first (and nobody answers), and must come from this very origin.
"""

import threading
import time
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from assay.labelling.labellers import SESSION_DAYS, signed_in
from assay.schema.errors import AssayError
from assay.store.database import Database
from assay.store.labelling.people import Labeller

COOKIE = "assay_label"
GUARD = "x-assay"
_SAFE = ("GET", "HEAD", "OPTIONS")
_DAY_S = 86_400


class NotSignedInError(AssayError):
    """No session, or one that has run out."""

    code = "not-allowed"


class SlowDownError(AssayError):
    """Too many wrong secrets."""

    code = "too-fast"


class Throttle:
    """After some wrong secrets for a name, or for all names together, no more are tried for a while."""

    TRIES = 5
    TRIES_IN_ALL = 100
    WAIT_S = 30.0

    def __init__(self) -> None:
        self._failures: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def check(self, name: str) -> None:
        """Raises SlowDownError."""
        with self._lock:
            if len(self._recent(name)) < self.TRIES and len(self._recent("")) < self.TRIES_IN_ALL:
                return
        raise SlowDownError("Too many wrong secrets.", next_step=f"try again in {self.WAIT_S:.0f} seconds")

    def failed(self, name: str) -> None:
        """Note a wrong secret."""
        with self._lock:
            for key in {name, ""}:
                self._failures[key] = [*self._recent(key), time.monotonic()]
            self._failures = {key: times for key in self._failures if (times := self._recent(key))}

    def _recent(self, name: str) -> list[float]:
        since = time.monotonic() - self.WAIT_S
        return [at for at in self._failures.get(name, []) if at > since]


def is_cross_site(request: Request) -> bool:
    """Whether a request that may change something comes from another site, or may do so unnoticed."""
    if request.method in _SAFE:
        return False
    if request.headers.get(GUARD) != "1":
        return True
    fetched = request.headers.get("sec-fetch-site")  # set by the browser; absent on plain http to other machines
    if fetched is not None:
        return fetched != "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def database_of(request: Request) -> Database:
    """The database of the application."""
    return cast(Database, request.app.state.database)


def labeller_of(request: Request) -> Labeller:
    """Who is signed in. Raises NotSignedInError."""
    labeller = signed_in(database_of(request), request.cookies.get(COOKIE))
    if labeller is None:
        raise NotSignedInError("Nobody is signed in.", next_step="sign in")
    return labeller


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Keep a session in the browser, out of reach of scripts; only over https where the page came by it."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=SESSION_DAYS * _DAY_S,
        path=f"{request.scope.get('root_path', '')}/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


Db = Annotated[Database, Depends(database_of)]
Me = Annotated[Labeller, Depends(labeller_of)]
