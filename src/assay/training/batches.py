"""Batches: rows of tokens with their targets, grouped by length, padded to the longest of the batch.

Where a row's label came with an explanation, the row goes on after the verdict's place: the token of its label, then
what is `said` about it. Rows are never packed: an activated LoRA is live from one position of each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from torch.utils.data import Sampler

from assay.inference.torch.padding import padded
from assay.models.tokens import TokenRow
from assay.schema.criterion import Scale

# Batches sorted together. Padded tokens per real token on a toxicity set, batches of 16: unsorted 3.7, pools of 8 1.5,
# of 32 1.14, of 64 1.09.
POOL_BATCHES = 32


class TrainingRow(TypedDict):
    """One row for the Trainer: `row_length` of its tokens are what a judge will read, the rest is what to say next.

    `shares` of the labels are what the loss is taken against, `labels` is the one that accuracy is.
    """

    input_ids: tuple[int, ...]
    labels: int
    shares: tuple[float, ...]
    row_length: int
    adapter_from: int


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """What may come after a row: its label's token, which is given, then what the model learns to say."""

    label_token: int
    said: tuple[int, ...]


def training_rows(
    rows: Sequence[TokenRow],
    targets: np.ndarray,  # (n, k), shares of the labels in the order of the scale
    continuations: Sequence[Continuation | None] | None = None,
) -> list[TrainingRow]:
    """Token rows with their targets, and what comes after them where something does."""
    return [
        TrainingRow(
            input_ids=row.ids if more is None else (*row.ids, more.label_token, *more.said),
            labels=int(np.argmax(target)),
            shares=tuple(target.tolist()),
            row_length=len(row.ids),
            adapter_from=row.adapter_from,
        )
        for row, target, more in zip(rows, targets, continuations or [None] * len(rows), strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What a model is trained on, the rows that early stopping sees (without explanations), and their scale."""

    train: list[TrainingRow]
    dev: list[TrainingRow]
    scale: Scale
    pad_id: int


class Collator:
    """Pads a list of rows into one batch."""

    def __init__(self, pad_id: int) -> None:
        self._pad_id = pad_id

    def __call__(self, rows: Sequence[TrainingRow]) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask`, `said` (batch, longest); `shares` (batch, k); `labels`, `row_length`,
        `adapter_from` (batch,).

        `said` is true where the next token is one that the model learns to say.
        """
        input_ids, attention_mask = padded([row["input_ids"] for row in rows], self._pad_id)
        lengths, row_lengths = attention_mask.sum(dim=1), torch.tensor([row["row_length"] for row in rows])
        places = torch.arange(input_ids.shape[1])
        return {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "labels": torch.tensor([row["labels"] for row in rows]),
            "shares": torch.tensor([row["shares"] for row in rows], dtype=torch.float32),
            "row_length": row_lengths,
            "adapter_from": torch.tensor([row["adapter_from"] for row in rows]),
            "said": (places >= row_lengths[:, None]) & (places < lengths[:, None] - 1),
        }


class LengthGroupedSampler(Sampler[int]):
    """An order in which rows of like length stand together, and batches come shuffled.

    Each epoch shuffles all rows, cuts them into pools of `POOL_BATCHES` batches, sorts each pool by length, cuts it
    into batches and shuffles the batches of the whole epoch. transformers' own sampler keeps its pools (50 batches)
    in descending order, which on small data sets sorts the whole epoch. The order depends on the seed and the epoch
    alone, so that a resumed run goes on as it would have.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = torch.tensor(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 100_003 + self._epoch)
        shuffled = torch.randperm(len(self._lengths), generator=generator)
        pools = torch.split(shuffled, self._batch_size * POOL_BATCHES)
        batches = [batch for pool in pools for batch in torch.split(self._sorted(pool), self._batch_size)]
        # a short batch goes last: the DataLoader cuts batches by count
        full = [batch for batch in batches if len(batch) == self._batch_size]
        rest = [batch for batch in batches if len(batch) < self._batch_size]
        for place in torch.randperm(len(full), generator=generator).tolist():
            yield from full[place].tolist()
        for batch in rest:
            yield from batch.tolist()

    def _sorted(self, places: torch.Tensor) -> torch.Tensor:
        return places[torch.argsort(self._lengths[places], stable=True)]
