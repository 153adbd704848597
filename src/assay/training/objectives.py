"""Objectives: what training minimises.

Binary and categorical scales: cross-entropy, weighted by class. Ordinal scales: cross-entropy against soft targets
that fall off with the distance between levels, so that a near miss costs less (Diaz & Marathe, "Soft Labels for
Ordinal Regression", CVPR 2019). Explanations add the mean cross-entropy of their tokens, weighted.
"""

import numpy as np
import torch
from torch import nn

from assay.schema.criterion import Scale

ORDINAL_SHARPNESS = 2.0  # soft target of a neighbouring level: about e^-2 of the true one's


def class_weights(targets: np.ndarray, classes: int, *, balanced: bool) -> torch.Tensor:
    """Weight of each class: n / (k · n_c), so that each class weighs the same in all; ones when not balanced.

    >>> class_weights(np.array([0, 0, 0, 1]), 2, balanced=True).tolist()
    [0.6666666865348816, 2.0]
    """
    if not balanced:
        return torch.ones(classes)
    counts = np.bincount(targets, minlength=classes)
    return torch.tensor(len(targets) / (classes * np.maximum(counts, 1)), dtype=torch.float32)


def target_table(scale: Scale) -> torch.Tensor:
    """Row c: the target distribution of class c, (k, k). The identity unless the scale is ordinal.

    Formula (ordinal): softmax over j of −ORDINAL_SHARPNESS · |c − j|.
    """
    classes = len(scale.labels)
    if scale.kind != "ordinal":
        return torch.eye(classes)
    places = torch.arange(classes, dtype=torch.float32)
    return torch.softmax(-ORDINAL_SHARPNESS * (places[:, None] - places[None, :]).abs(), dim=1)


def loss_of(
    logits: torch.Tensor,  # (batch, k)
    labels: torch.Tensor,  # (batch,) int64
    weights: torch.Tensor,  # (k,)
    table: torch.Tensor,  # (k, k)
) -> torch.Tensor:
    """Weighted mean cross-entropy of a batch: Σ w_y · CE(table_y, softmax(logits)) / Σ w_y."""
    row_loss = nn.functional.cross_entropy(logits.float(), table[labels], reduction="none")
    row_weight = weights[labels]
    return (row_loss * row_weight).sum() / row_weight.sum()


def said_loss(
    logits: torch.Tensor,  # (n, vocabulary), at the positions of `said`
    input_ids: torch.Tensor,  # (batch, tokens)
    said: torch.Tensor,  # (batch, tokens) bool, true where the next token counts
) -> torch.Tensor:
    """Mean cross-entropy of the tokens that explanations say."""
    following = input_ids[:, 1:][said[:, :-1]]
    return nn.functional.cross_entropy(logits.float(), following)
