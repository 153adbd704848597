"""The `torch` engine: token rows → label scores, in this process, on the CPU or one GPU.

Rows of a window are sorted by length and cut into batches under a token budget, so that little is spent on padding;
weights are in bfloat16 where the processor multiplies it natively. The scores of a row do not depend on the rows
beside it, beyond bfloat16 rounding. It knows nothing of examples, calibration or decisions.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from assay.models.small_judge_model import SmallJudgeModel
from assay.models.tokens import TokenRow
from assay.schema.judge_version import Dtype

DEFAULT_TOKEN_BUDGET = 4096  # tokens a batch, padding included: activations stay in cache, matrix products stay large
_DTYPES: dict[Dtype, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Label scores of a window of rows."""

    scores: np.ndarray  # (n, k) float64, log-softmax over the labels
    latency_ms: np.ndarray  # (n,) time that the row's batch took


class TorchEngine:
    """Scores token rows with one model on one device."""

    def __init__(
        self, model: SmallJudgeModel, *, device: torch.device, token_budget: int = DEFAULT_TOKEN_BUDGET, pad_id: int = 0
    ) -> None:
        self._model = model.to(device).eval()
        self._device = device
        self._token_budget = token_budget
        self._pad_id = pad_id

    def score(self, rows: Sequence[TokenRow], on_batch: Callable[[int], None] | None = None) -> Scored:
        """Scores in the order of the rows. `on_batch` hears the number of rows of each finished batch.

        Raises ValueError on an empty sequence.
        """
        if not rows:
            raise ValueError("score needs at least one row")
        scores: np.ndarray | None = None
        latency_ms = np.zeros(len(rows))
        for batch in length_batches([len(row.ids) for row in rows], self._token_budget):
            started = time.perf_counter()
            part = self._score_batch([rows[place] for place in batch])
            if scores is None:
                scores = np.zeros((len(rows), part.shape[1]))
            scores[batch] = part
            latency_ms[batch] = (time.perf_counter() - started) * 1e3
            if on_batch:
                on_batch(len(batch))
        assert scores is not None  # noqa: S101 - rows is not empty
        return Scored(scores=scores, latency_ms=latency_ms)

    @torch.inference_mode()
    def _score_batch(self, rows: Sequence[TokenRow]) -> np.ndarray:
        input_ids, attention_mask = padded([row.ids for row in rows], self._pad_id)
        logits = self._model(input_ids.to(self._device), attention_mask.to(self._device))
        scores: np.ndarray = torch.log_softmax(logits.double(), dim=-1).cpu().numpy()
        return scores


def length_batches(lengths: Sequence[int], token_budget: int) -> Iterator[list[int]]:
    """Places of rows, sorted by length (longest first) and cut so that rows x longest stays within the budget.

    >>> list(length_batches([3, 9, 8, 2], 18))
    [[1, 2], [0, 3]]
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    batch: list[int] = []
    for place in order:
        if batch and (len(batch) + 1) * lengths[batch[0]] > token_budget:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded ids and mask, both (batch, longest) int64."""
    longest = max(len(row) for row in rows)
    ids = np.full((len(rows), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
        mask[place, : len(row)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def best_device() -> torch.device:
    """A GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_dtype() -> Dtype:
    """bfloat16 where the device multiplies it natively, else float32."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # AVX-512 BF16 or AMX; elsewhere PyTorch emulates bfloat16, more slowly than float32
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"


def torch_dtype(dtype: Dtype) -> torch.dtype:
    """The torch type of a judge version's `dtype`."""
    return _DTYPES[dtype]
