"""LlmClient: asks one endpoint through the `openai` package.

    client = LlmClient(endpoint)
    answer = await client.ask("gpt-4o-mini", Ask(system="…", user="…", max_answer_tokens=8), timeout_s=2.0)

Endpoints differ in what they take: where one rejects a request (400, 422), the next plainer shape is tried, and the
shape that worked is kept for that model. `timeout_s` bounds the whole call, retries and an answer that drips included.
Knows nothing of judges or of money.
"""

import asyncio
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assay.llm.endpoint import Endpoint
from assay.llm.exchange import Answer, Ask, TokenChoice
from assay.llm.failures import LlmFailure
from assay.schema.errors import MissingExtraError, shown

if TYPE_CHECKING:
    from openai import AsyncOpenAI

THINKING_TOKENS = 2048
_ALTERNATIVES = 20  # the most that OpenAI and vLLM give
_CANNOT_PROCESS = (400, 422)
_SERVER_ERROR = 500


class LlmClient:
    """One endpoint. Safe to share between threads and event loops; each loop gets connections of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = weakref.WeakKeyDictionary()
        self._shapes: dict[str, int] = {}  # model → the first shape that its endpoint takes

    async def ask(self, model: str, ask: Ask, *, timeout_s: float | None = None) -> Answer:
        """The answer of a model. Raises LlmFailure, MissingExtraError."""
        limit = self.endpoint.timeout_s if timeout_s is None else min(timeout_s, self.endpoint.timeout_s)
        try:
            async with asyncio.timeout(limit):
                return await self._ask_plainer_and_plainer(model, ask)
        except TimeoutError:
            raise LlmFailure("timeout", f"{self._named(model)} did not answer in {limit:.2g} s.", billed=True) from None

    async def close(self) -> None:
        """Close the connections of the running loop."""
        connection = self._by_loop.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            await connection.close()

    async def _ask_plainer_and_plainer(self, model: str, ask: Ask) -> Answer:
        refusal: LlmFailure | None = None
        tried: list[dict[str, Any]] = []
        for number in range(self._shapes.get(model, 0), len(_SHAPES)):
            options = _SHAPES[number](ask)
            if options in tried:
                continue
            try:
                answer = await self._ask_once(model, ask, options)
            except LlmFailure as failure:
                if failure.status not in _CANNOT_PROCESS:
                    raise
                refusal = failure
                tried.append(options)
            else:
                self._shapes[model] = number
                return answer
        raise refusal or self._malformed(model, "nothing")

    async def _ask_once(self, model: str, ask: Ask, options: dict[str, Any]) -> Answer:
        openai = _package()
        messages = [{"role": "system", "content": ask.system}, {"role": "user", "content": ask.user}]
        try:
            completions: Any = self._connection().chat.completions
            completion = await completions.create(model=model, messages=messages, **options)
        except openai.APITimeoutError:
            raise LlmFailure("timeout", f"{self._named(model)} did not answer in time.", billed=True) from None
        except openai.APIConnectionError as error:
            raise LlmFailure("unreachable", f"{self._named(model)} cannot be reached.", got=shown(str(error))) from None
        except openai.APIStatusError as error:
            raise self._refusal(model, error.status_code) from None
        except (ValueError, openai.APIError) as error:  # a body that is not JSON, or not of the protocol
            raise self._malformed(model, str(error)) from None
        return self._answer(model, completion)

    def _connection(self) -> "AsyncOpenAI":
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            self._by_loop[loop] = _package().AsyncOpenAI(
                base_url=self.endpoint.base_url,
                api_key=self.endpoint.api_key or "none",
                max_retries=self.endpoint.max_retries,
                timeout=self.endpoint.timeout_s,
            )
        return self._by_loop[loop]

    def _answer(self, model: str, completion: Any) -> Answer:
        """The package checks no answer against the protocol: any part may be missing or of another kind."""
        try:
            choice, usage = completion.choices[0], completion.usage
            text = choice.message.content
            tokens = (int(usage.prompt_tokens), int(usage.completion_tokens)) if usage else (0, 0)
        except (AttributeError, TypeError, IndexError, ValueError):
            raise self._malformed(model, f"a body of type {type(completion).__name__}") from None
        if not isinstance(text, str):
            raise self._malformed(model, "no text")
        return Answer(
            text=text, model=model, tokens_in=tokens[0], tokens_out=tokens[1], choices=_choices(choice.logprobs)
        )

    def _refusal(self, model: str, status: int) -> LlmFailure:
        problem = f"{self._named(model)} answered with status {status}."
        if status == 429:  # noqa: PLR2004 - HTTP: too many requests
            return LlmFailure("rate-limited", problem)
        if status >= _SERVER_ERROR:
            return LlmFailure("server-error", problem)
        return LlmFailure("rejected", problem, status=status)

    def _malformed(self, model: str, got: str) -> LlmFailure:
        problem = f"{self._named(model)} answered with something that is not an answer."
        return LlmFailure("malformed", problem, billed=True, got=shown(got))

    def _named(self, model: str) -> str:
        return f"The model {shown(model)} at [llm.{self.endpoint.name}]"


def _choices(logprobs: Any) -> tuple[TokenChoice, ...]:
    try:
        return tuple(
            TokenChoice(
                text=token.token,
                alternatives={one.token: float(one.logprob) for one in (*(token.top_logprobs or ()), token)},
            )
            for token in logprobs.content or ()
        )
    except (AttributeError, TypeError, ValueError):  # absent, or half there
        return ()


def _full(ask: Ask) -> dict[str, Any]:
    logprobs = {"logprobs": True, "top_logprobs": _ALTERNATIVES} if ask.logprobs else {}
    return {**_without_logprobs(ask), **logprobs}


def _without_logprobs(ask: Ask) -> dict[str, Any]:
    return {"temperature": ask.temperature, "max_tokens": ask.max_answer_tokens, **_schema(ask)}


def _for_thinking(ask: Ask) -> dict[str, Any]:
    return {"max_completion_tokens": ask.max_answer_tokens + THINKING_TOKENS, **_schema(ask)}


def _plain(ask: Ask) -> dict[str, Any]:
    return {"max_tokens": ask.max_answer_tokens}


def _schema(ask: Ask) -> dict[str, Any]:
    if ask.schema is None:
        return {}
    named = {"name": "answer", "strict": True, "schema": dict(ask.schema)}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


_SHAPES: tuple[Callable[[Ask], dict[str, Any]], ...] = (_full, _without_logprobs, _for_thinking, _plain)


def _package() -> Any:
    try:
        import openai  # noqa: PLC0415 - an extra, and two seconds to load
    except ModuleNotFoundError:
        raise MissingExtraError(
            "Asking a language model needs the openai package.", next_step="pip install 'assay[openai]'"
        ) from None
    return openai
