"""LlmJudge: a prompted language model as a Judge.

    judge = LlmJudge(criterion, LlmRung(endpoint="default", model="gpt-4o-mini"), paid_client)
    judge.judge_many(examples)                               # many at once, in order
    await judge.judge_within(example, timeout_s=1.5)         # one, in a server

The model answers with a label (by JSON schema where the endpoint enforces one). Where the endpoint returns
log-probabilities, the label's are read at the token where the answer begins, and the verdict's mode is `single-token`;
else the label has probability 1 and the mode is `verdict`. An answer that is no label is asked for once more.
"""

import asyncio
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from assay.judging.label_only import label_only
from assay.llm.exchange import Answer, Ask
from assay.llm.failures import LlmFailure
from assay.llm.paying import PaidClient
from assay.rendering.prompt import Prompt, prompt_of
from assay.schema.criterion import Criterion
from assay.schema.errors import AssayError
from assay.schema.example import Example
from assay.schema.fallback import LlmRung
from assay.schema.ids import digest_json, short
from assay.schema.records import to_jsonable
from assay.schema.verdict import Action, Decided, Failed, Verdict

ATTEMPTS = 2
AT_ONCE = 8
_WINDOW = 256
_ANSWER_TOKENS = 32
_LEAST_MASS = 0.5  # of the label tokens together: under it the model was not choosing among the labels there
_LEAST_PROBABILITY = 1e-6


class LlmJudge:
    """Answers one criterion with a prompted model. `fallback` is the action of its Failed verdicts."""

    def __init__(
        self, criterion: Criterion, rung: LlmRung, client: PaidClient, *, fallback: Action = "allow-and-flag"
    ) -> None:
        self.criterion = criterion
        self._rung = rung
        self._client = client
        self._fallback = fallback
        recipe = {name: value for name, value in to_jsonable(rung).items() if name != "budget_ms"}
        self._id = f"llm_{criterion.name}-{short(digest_json([recipe, criterion.digest]))}"

    @property
    def id(self) -> str:
        """`llm_`, the criterion's name, and the digest of model, template and criterion."""
        return self._id

    def judge_many(
        self, examples: Iterable[Example], on_batch: Callable[[int], None] | None = None
    ) -> Iterator[Verdict]:
        """One verdict an example, in order, AT_ONCE at a time."""
        source = iter(examples)
        with ThreadPoolExecutor(1) as thread:  # an event loop of its own: the caller may have one running
            while window := list(itertools.islice(source, _WINDOW)):
                yield from thread.submit(asyncio.run, self._judge_window(window, on_batch)).result()

    async def judge_within(self, example: Example, timeout_s: float) -> Verdict:
        """The verdict on one example, in `timeout_s` for all attempts together. Raises nothing of ours: what goes wrong
        gives a Failed verdict whose reason code says what (timeout, unreachable, rate-limited, server-error, rejected,
        malformed, budget-spent, …).
        """
        began = time.perf_counter()
        try:
            prompt = prompt_of(example, self.criterion, self._rung.template, self._rung.max_chars)
            answer, label = await self._answered(prompt, began + timeout_s)
        except LlmFailure as failure:
            return self._failed(failure, failure.cause, began)
        except AssayError as error:
            return self._failed(error, error.code, began)
        return self._decided(label, answer, prompt, _ms_since(began))

    async def _judge_window(self, examples: Sequence[Example], on_batch: Callable[[int], None] | None) -> list[Verdict]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(example: Example) -> Verdict:
            async with gate:
                verdict = await self.judge_within(example, ATTEMPTS * self._client.client.endpoint.timeout_s)
            if on_batch is not None:
                on_batch(1)
            return verdict

        try:
            return await asyncio.gather(*(one(example) for example in examples))
        finally:
            await self._client.client.close()

    async def _answered(self, prompt: Prompt, until: float) -> tuple[Answer, str]:
        ask = Ask(
            system=prompt.system,
            user=prompt.user,
            max_answer_tokens=_ANSWER_TOKENS,
            schema=_schema(self.criterion),
            logprobs=True,
        )
        for _ in range(ATTEMPTS):
            left_s = until - time.perf_counter()
            if left_s <= 0:
                raise LlmFailure("timeout", "There was no time left to ask again.")
            answer = await self._client.ask(self._rung.model, ask, timeout_s=left_s)
            label = label_in(answer.text, self.criterion)
            if label is not None:
                return answer, label
        raise LlmFailure("malformed", f"The model {self._rung.model!r} answered {ATTEMPTS} times with no label.")

    def _decided(self, label: str, answer: Answer, prompt: Prompt, latency_ms: float) -> Decided:
        read = probabilities_in(answer, self.criterion)
        probabilities, scores = label_only(label, self.criterion)
        if read is not None:
            probabilities = read
            scores = {name: math.log(max(value, _LEAST_PROBABILITY)) for name, value in read.items()}
        return Decided(
            label=label,
            probability=probabilities[label],
            probabilities=probabilities,
            scores=scores,
            judge=self.id,
            latency_ms=latency_ms,
            mode="verdict" if read is None else "single-token",
            route="llm",
            truncated_tokens=prompt.truncated_tokens,
        )

    def _failed(self, error: AssayError, code: str, began: float) -> Failed:
        return Failed(
            reason=f"{error.code}: {error.problem}",
            action=self._fallback,
            judge=self.id,
            latency_ms=_ms_since(began),
            route="llm",
            reason_code=code,
        )


def label_in(text: str, criterion: Criterion) -> str | None:
    """The label that an answer gives: the bare word, in any case and with quotes or a full stop, or JSON with `label`.

    None for anything else: a sentence that mentions a label is no answer.
    """
    said: Any = text.strip()
    if said.startswith("{"):
        try:
            said = json.loads(said)
        except ValueError:
            return None
        said = said.get("label") if isinstance(said, Mapping) else None
    if not isinstance(said, str):
        return None
    bare = said.strip().strip("\"'`*.").casefold()
    found = [label for label in criterion.labels if label.casefold() == bare]
    return found[0] if len(found) == 1 else None


def probabilities_in(answer: Answer, criterion: Criterion) -> dict[str, float] | None:
    """The labels' probabilities at the token where the answer's label begins, as shares of their sum.

    None where there are no log-probabilities, where a token begins two labels, or where the labels together have less
    than half: the endpoint then tells a label and no more.
    """
    place = _label_place(answer)
    if place is None:
        return None
    mass = dict.fromkeys(criterion.labels, 0.0)
    for text, logprob in answer.choices[place].alternatives.items():
        start = text.strip().strip("\"'{: ").casefold()
        begun = [label for label in criterion.labels if start and label.casefold().startswith(start)]
        if len(begun) == 1:
            mass[begun[0]] += math.exp(logprob)
    total = sum(mass.values())
    if not total >= _LEAST_MASS or total > 1 + 1e-3:  # more than 1 by more than rounding
        return None
    return {label: value / total for label, value in mass.items()}


def _label_place(answer: Answer) -> int | None:
    """The token in which the label begins: the first one, or, in JSON, the one after `"label": "`."""
    text = "".join(choice.text for choice in answer.choices)
    start = 0
    if text.lstrip().startswith("{"):
        key = text.find('"label"')
        colon = text.find(":", key)
        start = text.find('"', colon) + 1
        if key < 0 or colon < 0 or start <= 0:
            return None
    else:
        start = len(text) - len(text.lstrip().lstrip("\"'`*"))
    end = 0
    for place, choice in enumerate(answer.choices):
        end += len(choice.text)
        if end > start:
            return place
    return None


def _schema(criterion: Criterion) -> Mapping[str, Any]:
    label = {"type": "string", "enum": list(criterion.labels)}
    return {"type": "object", "properties": {"label": label}, "required": ["label"], "additionalProperties": False}


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
