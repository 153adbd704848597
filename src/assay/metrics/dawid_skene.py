"""Dawid-Skene: what the items' true labels are, where labellers differ in how good they are.

`dawid_skene(answers)` → a probability a label for every item, and each labeller's confusion. Expectation and
maximisation by turns, from the shares of the votes on. Knows nothing of who is to be trusted beforehand.
"""

from dataclasses import dataclass

import numpy as np

from assay.metrics.answers import Answers

MAX_ROUNDS = 500
TOLERANCE = 1e-4  # of the largest change of a probability in a round
SMOOTHING = 1.0  # answers added to each true label of each labeller, shared out as all labellers' together
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class DawidSkene:
    """`probabilities[i, j]`: item i is truly label j. `confusion[l, j, x]`: labeller l says x where j is true."""

    probabilities: np.ndarray  # (n, k), rows sum to 1; the prior where nobody answered
    confusion: np.ndarray  # (labellers, k, k), rows sum to 1
    prior: np.ndarray  # (k,)
    rounds: int
    converged: bool


def dawid_skene(answers: Answers, *, smoothing: float = SMOOTHING) -> DawidSkene:
    """Fit by expectation-maximisation (Dawid and Skene 1979), each labeller's confusion shrunk to all labellers'.

    E: Tᵢⱼ ∝ πⱼ ∏ confusion[l, j, x] over the answers (l, x) to i. M: π = mean T; confusion[l, j, x] ∝ Σ T over l's
    answers x + smoothing · (pooled confusion)[j, x]. Raises ValueError without answers.

    >>> votes = [{"a": "y", "b": "y", "c": "n"}, {"a": "n", "b": "n", "c": "n"}, {"a": "y", "b": "y", "c": "n"}] * 5
    >>> found = dawid_skene(Answers.of(votes, ("n", "y")))
    >>> found.probabilities[:2].argmax(axis=1).tolist(), found.converged
    ([1, 0], True)
    """
    if not len(answers.item):
        raise ValueError("Dawid-Skene needs answers; there are none.")
    k = len(answers.labels)
    votes = answers.counts().astype(float)
    answered = np.asarray(votes.sum(axis=1) > 0)
    truth = np.full_like(votes, 1 / k)
    truth[answered] = votes[answered] / votes[answered].sum(axis=1, keepdims=True)
    done, change = 0, np.inf
    while done < MAX_ROUNDS and change >= TOLERANCE:
        prior = truth[answered].mean(axis=0)
        confusion = _confusion(answers, truth, smoothing)
        before, truth = truth, _posterior(answers, prior, confusion)
        done, change = done + 1, float(np.abs(truth - before).max())
    return DawidSkene(
        probabilities=truth,
        confusion=confusion,
        prior=prior,
        rounds=done,
        converged=change < TOLERANCE,
    )


def _confusion(answers: Answers, truth: np.ndarray, smoothing: float) -> np.ndarray:  # (labellers, k, k)
    k, labellers = len(answers.labels), len(answers.labellers)
    cell = answers.labeller * k + answers.label
    said = np.stack(
        [np.bincount(cell, truth[answers.item, j], minlength=labellers * k).reshape(labellers, k) for j in range(k)],
        axis=1,
    )
    pooled = said.sum(axis=0) + _TINY
    said = said + smoothing * (pooled / pooled.sum(axis=1, keepdims=True)) + _TINY
    return np.asarray(said / said.sum(axis=2, keepdims=True))


def _posterior(answers: Answers, prior: np.ndarray, confusion: np.ndarray) -> np.ndarray:  # (n, k)
    evidence = np.log(confusion)[answers.labeller, :, answers.label]  # (m, k)
    total = np.log(np.maximum(prior, _TINY)) + np.stack(
        [np.bincount(answers.item, column, minlength=answers.items) for column in evidence.T], axis=1
    )
    shifted = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
