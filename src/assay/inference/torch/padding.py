"""Rows padded to their longest: for training, and for models that do not let their attention be packed."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch


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
