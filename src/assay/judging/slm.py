"""SmallJudge: render → engine → calibrate → decide. The small-model kind of Judge."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from assay.calibration.calibrators import calibrator
from assay.calibration.prior_shift import shift
from assay.inference.torch_engine import TorchEngine, best_device, torch_dtype
from assay.models.small_judge_model import load_model
from assay.models.tokens import TokenRow, Tokens
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.schema.judge_version import Calibration, JudgeVersion
from assay.schema.verdict import Abstained, Decided, Failed, Verdict

WINDOW = 2048  # examples rendered and sorted together: enough for even batches, small enough for constant memory


class SmallJudge:
    """Answers one criterion with a small model. Build it with `SmallJudge.load`."""

    def __init__(self, version: JudgeVersion, engine: TorchEngine, tokens: Tokens, *, window: int = WINDOW) -> None:
        self.version = version
        self._engine = engine
        self._tokens = tokens
        self._probabilities = probability_map(version.calibration, version.criterion)
        self._window = window

    @classmethod
    def load(cls, version: JudgeVersion, folder: Path) -> Self:
        """A judge from its (verified) folder. Raises NotFoundError, IntegrityError where its backbone is missing or
        another.
        """
        model, tokenizer = load_model(version, folder, torch_dtype(version.dtype))
        engine = TorchEngine(model, device=best_device(), pad_id=tokenizer.pad_token_id or 0)
        return cls(version, engine, Tokens(tokenizer, version.family, version.criterion, version.rendering))

    @property
    def id(self) -> str:
        """The judge version's id."""
        return self.version.id

    @property
    def criterion(self) -> Criterion:
        """The question answered."""
        return self.version.criterion

    def judge(self, example: Example) -> Verdict:
        """The verdict on one example."""
        return next(self.judge_many([example]))

    def judge_many(
        self, examples: Iterable[Example], on_batch: Callable[[int], None] | None = None
    ) -> Iterator[Verdict]:
        """One verdict an example, in order, in constant memory. `on_batch` hears the number of examples of each
        finished batch.
        """
        source = iter(examples)
        while window := list(itertools.islice(source, self._window)):
            yield from self._judge_window(window, on_batch)

    def _judge_window(self, examples: list[Example], on_batch: Callable[[int], None] | None) -> list[Verdict]:
        verdicts: list[Verdict | None] = [None] * len(examples)
        rows: list[TokenRow] = []
        places: list[int] = []
        for place, row in enumerate(self._token_rows(examples)):
            if isinstance(row, TokenRow):
                rows.append(row)
                places.append(place)
            else:
                verdicts[place] = self._failed(f"{row.code}: {row.problem}")
        if rows:
            scored = self._engine.score(rows, on_batch)
            finite = np.isfinite(scored.scores).all(axis=1, keepdims=True)
            probabilities = self._probabilities(np.where(finite, scored.scores, 0.0))
            for number, place in enumerate(places):
                verdicts[place] = self._verdict(
                    scored.scores[number],
                    probabilities[number],
                    float(scored.latency_ms[number]),
                    rows[number].truncated_tokens,
                )
        return [verdict for verdict in verdicts if verdict is not None]

    def _token_rows(self, examples: list[Example]) -> Sequence[TokenRow | InputError]:
        try:
            return self._tokens.rows(examples)
        except InputError:  # one of them cannot be judged: find out which, the rest goes on
            return [self._token_row(example) for example in examples]

    def _token_row(self, example: Example) -> TokenRow | InputError:
        try:
            return self._tokens.rows([example])[0]
        except InputError as error:
            return error

    def _failed(self, reason: str) -> Failed:
        return Failed(reason=reason, action=self.version.fallback, judge=self.id)

    def _verdict(
        self,
        scores: np.ndarray,  # (k,)
        probabilities: np.ndarray,  # (k,)
        latency_ms: float,
        truncated_tokens: int,
    ) -> Verdict:
        if not np.isfinite(scores).all():
            return self._failed("the model's scores are not finite numbers")
        labels = self.criterion.labels
        by_label = dict(zip(labels, probabilities.tolist(), strict=True))
        by_score = dict(zip(labels, scores.tolist(), strict=True))
        label = decide(by_label, self.version)
        if label is None:
            return Abstained(
                reason="the probability lies in the judge's abstention band",
                probabilities=by_label,
                scores=by_score,
                judge=self.id,
                latency_ms=latency_ms,
                truncated_tokens=truncated_tokens,
            )
        return Decided(
            label=label,
            probability=by_label[label],
            probabilities=by_label,
            scores=by_score,
            judge=self.id,
            latency_ms=latency_ms,
            truncated_tokens=truncated_tokens,
        )


def probability_map(calibration: Calibration, criterion: Criterion) -> Callable[[np.ndarray], np.ndarray]:
    """Scores (n, k) → probabilities (n, k) at the production base rate, both in the order of the scale."""
    fitted = calibrator(calibration.calibrator, calibration.parameters)
    order = calibration_order(criterion)
    back = np.argsort(order)
    labels = [criterion.labels[place] for place in order]
    from_rate = np.array([calibration.fitted_base_rate[label] for label in labels])
    to_rate = np.array([calibration.production_base_rate[label] for label in labels])
    return lambda scores: shift(fitted.apply(scores[:, order]), from_rate, to_rate)[:, back]


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
