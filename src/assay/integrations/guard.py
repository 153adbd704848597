"""Guard: asks the judges of a server whether something may pass, and says what holds when they cannot be asked.

    guard = Guard("advice", url="http://127.0.0.1:8321", on_error="block")
    checked = guard.check(input="Which fund?", output="Buy Apex now.")     # or: await guard.check_async(…)
    checked.passes, checked.action, checked.because

The guardrails of other frameworks are made of it. What a verdict means (allow, flag, block) is the server's word:
`action` of [serving.judges.NAME] in assay.toml; what a judge that could not run means is its version's fallback.
`on_error` is for the rest: no server, a refusal, a text that cannot be judged. Knows no framework.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import httpx

from assay.client import DEFAULT_URL, AsyncClient, Client
from assay.schema.errors import AssayError, InputError, shown
from assay.schema.verdict import Action
from assay.served import Answer, ServedVerdict

OnError: TypeAlias = Literal["block", "allow-and-flag"]
BLOCK_ON: tuple[Action, ...] = ("block",)
DEFAULT_DEADLINE_MS = 1000
MOST_DEADLINE_MS, MOST_JUDGES = 600_000, 16  # that a server takes
NETWORK_S = 1.0  # that the way to the server and back may take beside the deadline
_UNSENDABLE = (ValueError, TypeError)  # half a surrogate pair; what JSON has no form for
_UNASKED = (httpx.HTTPError, AssayError, TimeoutError, *_UNSENDABLE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of a check. `problem` says why the judges could not be asked; it is empty where they were."""

    passes: bool
    action: Action
    verdicts: tuple[ServedVerdict, ...] = ()
    request_id: str = ""
    problem: str = ""

    @property
    def because(self) -> str:
        """The verdicts in one line, without what was judged."""
        return self.problem or "; ".join(_said(verdict) for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, for the metadata of other frameworks."""
        return {
            "action": self.action,
            "passes": self.passes,
            "because": self.because,
            "request_id": self.request_id,
            "verdicts": [{"id": one.id, "judge": one.judge, "label": one.label} for one in self.verdicts],
        }


class Guard:
    """Asks the same judges about everything. Safe between threads and event loops.

    Args:
        judges: `advice`, `advice@champion` or `advice-3f2a91c0`; one or several.
        url: of the server.
        api_key: where the server has keys.
        on_error: what holds when the judges cannot be asked.
        block_on: the actions that do not pass.
        deadline_ms: for the verdicts; the server falls back where a judge needs longer.

    Raises InputError.

    """

    def __init__(
        self,
        judges: str | Sequence[str],
        *,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        on_error: OnError = "block",
        block_on: Collection[Action] = BLOCK_ON,
        deadline_ms: int = DEFAULT_DEADLINE_MS,
    ) -> None:
        self.judges = (judges,) if isinstance(judges, str) else tuple(judges)
        self.on_error = _one_of("on_error", on_error, get_args(OnError))
        self.block_on = frozenset(_one_of("block_on", action, get_args(Action)) for action in block_on)
        self._deadline_ms = _within("deadline_ms", deadline_ms, MOST_DEADLINE_MS)
        _within("judges", len(self.judges), MOST_JUDGES)
        self._url = _checked(url)
        self._api_key = api_key
        self._timeout_s = deadline_ms / 1000 + NETWORK_S
        self._client = Client(self._url, api_key=api_key, timeout_s=self._timeout_s, retries=0)
        self._clients: dict[asyncio.AbstractEventLoop, tuple[AsyncClient, AsyncGenerator[AsyncClient, None]]] = {}

    def check(self, **fields: Any) -> Checked:
        """Ask about one example, given as `input`, `output`, `context`, `messages`, … Never raises for the judges.

        Each wait (for a connection, for the next bytes) ends after the deadline and NETWORK_S; their sum has no bound.
        """
        try:
            answer = self._client.judge(self.judges, deadline_ms=self._deadline_ms, **fields)
        except _UNASKED as error:
            return self._unasked(error)
        return self._checked(answer)

    async def check_async(self, **fields: Any) -> Checked:
        """As `check`, to be awaited. The whole of it ends after the deadline and NETWORK_S."""
        try:
            async with asyncio.timeout(self._timeout_s):
                client = await self._client_here()
                answer = await client.judge(self.judges, deadline_ms=self._deadline_ms, **fields)
        except _UNASKED as error:
            return self._unasked(error)
        return self._checked(answer)

    def close(self) -> None:
        """Close the connections; those of an event loop end with it."""
        self._client.close()

    async def _client_here(self) -> AsyncClient:
        """The client of the running event loop: connections belong to the loop that made them."""
        for closed in [loop for loop in tuple(self._clients) if loop.is_closed()]:
            self._clients.pop(closed, None)
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            opened = self._opened()
            self._clients[loop] = (await anext(opened), opened)
        return self._clients[loop][0]

    async def _opened(self) -> AsyncGenerator[AsyncClient, None]:
        """A client that is closed with its loop: `asyncio.run` ends the generators that it began."""
        async with AsyncClient(self._url, api_key=self._api_key, timeout_s=self._timeout_s, retries=0) as client:
            yield client

    def _checked(self, answer: Answer) -> Checked:
        return Checked(
            passes=answer.action not in self.block_on,
            action=answer.action,
            verdicts=answer.verdicts,
            request_id=answer.request_id,
        )

    def _unasked(self, error: Exception) -> Checked:
        problem = f"the judges could not be asked ({type(error).__name__}: {_without_text(error)})"
        _log.warning("%s; what holds is %s", problem, self.on_error)
        return Checked(passes=self.on_error not in self.block_on, action=self.on_error, problem=problem)


def _said(verdict: ServedVerdict) -> str:
    if verdict.label is None:
        return f"{verdict.judge}: {verdict.kind}, {verdict.reason_code}"
    return f"{verdict.judge}: {verdict.label}, {verdict.probability:.3f}"


def _without_text(error: Exception) -> str:
    """An error in words that hold nothing of what was judged."""
    if isinstance(error, AssayError):
        return error.problem
    return "it cannot be sent" if isinstance(error, _UNSENDABLE) else str(error)


def _one_of(argument: str, value: Any, known: tuple[str, ...]) -> Any:
    if value in known:
        return value
    raise InputError(f"{argument} is an action.", required=f"one of {list(known)}", got=shown(value))


def _within(argument: str, value: int, most: int) -> int:
    if 0 < value <= most:
        return value
    raise InputError(f"{argument} is out of range.", required=f"from 1 to {most}", got=shown(value))


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError("url is the address of a server.", required="http://… or https://…", got=shown(url))
    return url
