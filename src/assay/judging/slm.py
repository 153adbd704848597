"""SmallJudge: render → engine → calibrate → decide. The small-model kind of Judge.

Judging a file, evaluating, the Python API and a server all come through here, each with the engine that suits it: a
judge alone has its own, judges on one backbone share one.
"""

import asyncio
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from assay.calibration.calibrators import calibrator
from assay.calibration.prior_shift import rate_ratio, reweighted
from assay.inference.engine import Engine, Explanation, LabelScores, Priority, Request, now
from assay.inference.factory import lone_engine
from assay.judging.modes import check_mode
from assay.models.backbone import load_tokenizer
from assay.models.small_judge_model import TOKENIZER_FOLDER
from assay.models.tokens import TokenRow, Tokens
from assay.schema.criterion import Criterion
from assay.schema.errors import DeadlineExceededError, EngineLostError, InputError, OverloadedError
from assay.schema.example import Example
from assay.schema.judge_version import Calibration, JudgeVersion
from assay.schema.verdict import Abstained, Decided, Failed, Mode, Verdict

WINDOW = 2048  # examples in flight together: enough for full passes, few enough for constant memory
EXPLANATION_TOKENS = 128
_TELL_EVERY_S = 0.05
_TO_ANSWER_S = 0.02  # what is left of a deadline when an explanation must have ended, for whoever waits for the verdict


class SmallJudge:
    """Answers one criterion with a small model. Build it with `SmallJudge.load`, or on an engine that is shared.

    Args:
        version: the recipe.
        engine: has the judge (`engine.add(version, folder)`).
        tokens: its renderer and tokenizer.
        window: examples in flight together in `judge_many`.
        explanation_tokens: at most, in mode `reasoning`.
        mode: of `judge` and `judge_many` unless told otherwise. Raises UnsupportedJudgeError for one that the judge
            does not have.

    """

    def __init__(
        self,
        version: JudgeVersion,
        engine: Engine,
        tokens: Tokens,
        *,
        window: int = WINDOW,
        explanation_tokens: int = EXPLANATION_TOKENS,
        mode: Mode = "single-token",
    ) -> None:
        check_mode(version, mode)
        self.version = version
        self._engine = engine
        self._tokens = tokens
        self._probabilities = probability_map(version.calibration, version.criterion)
        self._window = window
        self._explanation_tokens = explanation_tokens
        self._mode: Mode = mode
        self._origin: SmallJudge | None = None  # whose engine it is, where that ends with its judge

    @classmethod
    def load(cls, version: JudgeVersion, folder: Path, engine: Engine | None = None) -> Self:
        """A judge from its (verified) folder, on a shared engine, or on one of its own that ends with it.

        Raises NotFoundError, IntegrityError where its backbone is missing or another, UnsupportedJudgeError.
        """
        if engine is not None:
            return cls._on(engine, version, folder)
        return cls.alone(version, folder, lone_engine(version))

    @classmethod
    def alone(cls, version: JudgeVersion, folder: Path, engine: Engine) -> Self:
        """As `load`, on an engine that nobody else uses: it is closed when the judge is no longer referred to."""
        try:
            judge = cls._on(engine, version, folder)
        except BaseException:
            engine.close()
            raise
        weakref.finalize(judge, engine.close)
        return judge

    @classmethod
    def _on(cls, engine: Engine, version: JudgeVersion, folder: Path) -> Self:
        engine.add(version, folder)
        tokenizer = load_tokenizer(folder / TOKENIZER_FOLDER)
        return cls(version, engine, Tokens(tokenizer, version.family, version.criterion, version.rendering))

    @property
    def id(self) -> str:
        """The judge version's id."""
        return self.version.id

    @property
    def criterion(self) -> Criterion:
        """The question answered."""
        return self.version.criterion

    def in_mode(self, mode: Mode) -> "SmallJudge":
        """The same judge on the same engine, in another mode. Raises UnsupportedJudgeError."""
        other = SmallJudge(
            self.version,
            self._engine,
            self._tokens,
            window=self._window,
            explanation_tokens=self._explanation_tokens,
            mode=mode,
        )
        other._origin = self
        return other

    def judge(self, example: Example, mode: Mode | None = None) -> Verdict:
        """The verdict on one example."""
        return next(self.judge_many([example], mode=mode))

    def judge_many(
        self,
        examples: Iterable[Example],
        on_batch: Callable[[int], None] | None = None,
        mode: Mode | None = None,
    ) -> Iterator[Verdict]:
        """One verdict an example, in order, in constant memory. `on_batch` hears how many examples were scored since
        it was last called.

        Raises UnsupportedJudgeError for a mode that the judge does not have, EngineLostError.
        """
        mode = mode or self._mode
        check_mode(self.version, mode)
        source = iter(examples)
        while window := list(itertools.islice(source, self._window)):
            yield from self._judge_window(window, on_batch, mode)

    async def judge_async(
        self,
        example: Example,
        *,
        deadline_s: float | None = None,
        priority: Priority = Priority.GUARDRAIL,
        mode: Mode = "single-token",
    ) -> Verdict:
        """The verdict on one example, for a server; `deadline_s` is on the engine's clock (`inference.engine.now`).

        A verdict stands whatever becomes of its explanation. Raises OverloadedError, DeadlineExceededError,
        EngineLostError, UnsupportedJudgeError.
        """
        check_mode(self.version, mode)
        row = await asyncio.to_thread(self._token_row, example) if example.is_long else self._token_row(example)
        if isinstance(row, InputError):
            return self._failed(f"{row.code}: {row.problem}")
        request = Request(judge=self.id, row=row)
        scored = await asyncio.wrap_future(self._engine.submit(request, deadline_s=deadline_s, priority=priority))
        verdict = self._verdicts([scored], [row], mode)[0]
        if mode != "reasoning" or isinstance(verdict, Failed):
            return verdict
        return await self._explained_in_time(row, verdict, deadline_s, priority)

    async def _explained_in_time(
        self, row: TokenRow, verdict: Decided | Abstained, deadline_s: float | None, priority: Priority
    ) -> Verdict:
        """The verdict with its explanation; as it stands, its explanation cut, where that did not come."""
        until_s = None if deadline_s is None else deadline_s - _TO_ANSWER_S
        try:
            async with asyncio.timeout(None if until_s is None else until_s - now()):  # an engine may stall
                said = await asyncio.wrap_future(self._explain(row, verdict, until_s, priority))
        except (TimeoutError, DeadlineExceededError, OverloadedError, EngineLostError):
            return replace(verdict, explanation_cut=True)
        return self._with_explanation(verdict, said)

    def _judge_window(
        self, examples: list[Example], on_batch: Callable[[int], None] | None, mode: Mode
    ) -> Iterator[Verdict]:
        found = self._token_rows(examples)
        rows = [row for row in found if isinstance(row, TokenRow)]
        sent = self._engine.submit_all([Request(judge=self.id, row=row) for row in rows]) if rows else []
        verdicts = self._verdicts(_gathered(sent, on_batch), rows, mode) if rows else []
        if mode == "reasoning":
            verdicts = self._explained(verdicts, rows)
        ready = iter(verdicts)
        return iter(
            [next(ready) if isinstance(row, TokenRow) else self._failed(f"{row.code}: {row.problem}") for row in found]
        )

    def _token_rows(self, examples: list[Example]) -> list[TokenRow | InputError]:
        try:
            return list(self._tokens.rows(examples))
        except InputError:  # one of them cannot be judged: find out which, the rest goes on
            return [self._token_row(example) for example in examples]

    def _token_row(self, example: Example) -> TokenRow | InputError:
        try:
            return self._tokens.rows([example])[0]
        except InputError as error:
            return error

    def _verdicts(self, scored: list[LabelScores], rows: list[TokenRow], mode: Mode) -> list[Verdict]:
        scores = np.stack([one.scores for one in scored])
        finite = np.isfinite(scores).all(axis=1, keepdims=True)
        probabilities = self._probabilities(np.where(finite, scores, 0.0))
        return [
            self._verdict(one, probability, row.truncated_tokens, mode)
            for one, probability, row in zip(scored, probabilities, rows, strict=True)
        ]

    def _failed(self, reason: str) -> Failed:
        return Failed(reason=reason, action=self.version.fallback, judge=self.id)

    def _verdict(
        self,
        scored: LabelScores,
        probabilities: np.ndarray,  # (k,)
        truncated_tokens: int,
        mode: Mode,
    ) -> Verdict:
        if not np.isfinite(scored.scores).all():
            return self._failed("the model's scores are not finite numbers")
        labels = self.criterion.labels
        by_label = dict(zip(labels, probabilities.tolist(), strict=True))
        by_score = dict(zip(labels, scored.scores.tolist(), strict=True))
        latency_ms = scored.queue_ms + scored.compute_ms
        label = decide(by_label, self.version)
        if label is None:
            return Abstained(
                reason="the probability lies in the judge's abstention band",
                probabilities=by_label,
                scores=by_score,
                judge=self.id,
                latency_ms=latency_ms,
                mode=mode,
                truncated_tokens=truncated_tokens,
            )
        return Decided(
            label=label,
            probability=by_label[label],
            probabilities=by_label,
            scores=by_score,
            judge=self.id,
            latency_ms=latency_ms,
            mode=mode,
            truncated_tokens=truncated_tokens,
        )

    def _explain(
        self, row: TokenRow, verdict: Decided | Abstained, deadline_s: float | None, priority: Priority
    ) -> Future[Explanation]:
        """Go on after the token of the label that was decided (the most probable one where the judge abstained)."""
        chances = verdict.probabilities
        label = verdict.label if isinstance(verdict, Decided) else max(chances, key=lambda name: chances[name])
        return self._engine.explain(
            Request(judge=self.id, row=row),
            verdict_token=self.version.rendering.label_tokens[label],
            max_tokens=self._explanation_tokens,
            deadline_s=deadline_s,
            priority=priority,
        )

    def _explained(self, verdicts: list[Verdict], rows: list[TokenRow]) -> list[Verdict]:
        """The verdicts with their explanations, all decoded together."""
        explained: list[Verdict | Future[Explanation]] = [
            verdict if isinstance(verdict, Failed) else self._explain(row, verdict, None, Priority.BATCH)
            for verdict, row in zip(verdicts, rows, strict=True)
        ]
        return [
            self._with_explanation(verdict, said.result())
            if isinstance(said, Future) and not isinstance(verdict, Failed)
            else verdict
            for verdict, said in zip(verdicts, explained, strict=True)
        ]

    def _with_explanation(self, verdict: Decided | Abstained, said: Explanation) -> Verdict:
        text = self._tokens.text(said.tokens)
        latency_ms = verdict.latency_ms + said.queue_ms + said.compute_ms
        return replace(verdict, explanation=text, explanation_cut=said.cut, latency_ms=latency_ms)


def _gathered(futures: list[Future[LabelScores]], on_batch: Callable[[int], None] | None) -> list[LabelScores]:
    """Results in order; `on_batch` hears of progress several times a second at most."""
    done, told_s, scored = 0, now(), []
    for future in futures:
        scored.append(future.result())
        done += 1
        if on_batch and (now() - told_s > _TELL_EVERY_S or len(scored) == len(futures)):
            on_batch(done)
            done, told_s = 0, now()
    return scored


def probability_map(calibration: Calibration, criterion: Criterion) -> Callable[[np.ndarray], np.ndarray]:
    """Scores (n, k) → probabilities (n, k) at the production base rate, both in the order of the scale."""
    fitted = calibrator(calibration.calibrator, calibration.parameters)
    order = calibration_order(criterion)
    back = np.argsort(order)
    labels = [criterion.labels[place] for place in order]
    from_rate = [calibration.fitted_base_rate[label] for label in labels]
    to_rate = [calibration.production_base_rate[label] for label in labels]
    ratio = rate_ratio(from_rate, to_rate)
    return lambda scores: reweighted(fitted.apply(scores[:, order]), ratio)[:, back]


def calibration_order(criterion: Criterion) -> list[int]:
    """Places of the labels as calibrators want them: a binary scale's positive label last, else as they are."""
    return sorted(range(len(criterion.labels)), key=lambda place: criterion.labels[place] == criterion.scale.positive)


def decide(probabilities: dict[str, float], version: JudgeVersion) -> str | None:
    """The label for calibrated probabilities, or None inside the abstention band.

    Binary: the positive label when its probability ≥ the threshold. Other scales: the most probable label (the first
    of equals).
    """
    decision, scale = version.decision, version.criterion.scale
    if scale.positive is None or decision.threshold is None:
        return max(probabilities, key=lambda label: probabilities[label])
    positive = probabilities[scale.positive]
    low, high = decision.abstain_low, decision.abstain_high
    if low is not None and high is not None and low <= positive < high:
        return None
    if positive >= decision.threshold:
        return scale.positive
    return next(label for label in scale.labels if label != scale.positive)
