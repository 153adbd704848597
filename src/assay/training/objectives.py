"""Objectives: what training minimises.

A row's target is a distribution over the labels: all on one label, or, with soft targets, what its labellers said. It
counts as so many fractional rows, one a label, each weighed by its class. Binary and categorical scales:
cross-entropy. Ordinal scales: cross-entropy against a distribution that falls off with the distance between levels, so
that a near miss costs less (Diaz & Marathe, "Soft Labels for Ordinal Regression", CVPR 2019). Explanations add the mean
cross-entropy of their tokens, weighted.
"""

import numpy as np
import torch
from torch import nn

from assay.schema.criterion import Scale

ORDINAL_SHARPNESS = 2.0  # soft target of a neighbouring level: about e^-2 of the true one's


def class_weights(shares: np.ndarray, *, balanced: bool) -> torch.Tensor:  # (n, k) -> (k,)
    """Weight of each class: n / (k · n_c), n_c the sum of its shares (at least 1), so that each class weighs the same
    in all; ones when not balanced.

    >>> class_weights(np.array([[1, 0], [1, 0], [1, 0], [0, 1]]), balanced=True).tolist()
    [0.6666666865348816, 2.0]
    >>> class_weights(np.array([[0.75, 0.25]] * 4), balanced=True).tolist()
    [0.6666666865348816, 2.0]
    """
    n, classes = shares.shape
    if not balanced:
        return torch.ones(classes)
    return torch.tensor(n / (classes * np.maximum(shares.sum(axis=0), 1)), dtype=torch.float32)


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
    shares: torch.Tensor,  # (batch, k), rows sum to 1
    weights: torch.Tensor,  # (k,)
    table: torch.Tensor,  # (k, k)
) -> torch.Tensor:
    """Weighted mean cross-entropy of a batch: Σ q_ic w_c CE(table_c, softmax(logits_i)) / Σ q_ic w_c, over rows i and
    labels c, q the shares.

    A row whose shares are all on one label y counts w_y · CE(table_y, ·), as it would without soft targets.
    """
    copies = shares * weights
    wanted = (copies[:, :, None] * table).sum(dim=1)  # not a matrix product: autocast would round it to bfloat16
    return -(wanted * nn.functional.log_softmax(logits.float(), dim=1)).sum() / copies.sum()


def said_loss(
    logits: torch.Tensor,  # (n, vocabulary), at the positions of `said`
    input_ids: torch.Tensor,  # (batch, tokens)
    said: torch.Tensor,  # (batch, tokens) bool, true where the next token counts
) -> torch.Tensor:
    """Mean cross-entropy of the tokens that explanations say."""
    following = input_ids[:, 1:][said[:, :-1]]
    return nn.functional.cross_entropy(logits.float(), following)
