"""The perfectly calibrated judge: labels drawn as if its probabilities were exactly right, and the ECE they would show.

`perfect_ece(confidence, members)` for rows that are independent; with `groups` and `dependence` for rows whose outcomes
hang together, as those of one template, document or session do. `dependence_within` reads the dependence off labels.

Rows of one group share a latent normal variable, so that each label keeps its own probability and two labels of one
group agree more often than chance (a one-factor Gaussian copula, as in Emrich and Piedmonte 1991):

    label_i = [√ρ · Z_group + √(1−ρ) · ε_i < Φ⁻¹(p_i)],  Z, ε ~ N(0, 1)

ρ = 0 is independence; at ρ = 1 one draw decides a whole group, and 42 groups are worth 42 rows.
"""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import norm

SIMULATIONS = 2000
_MATCHING_SIMULATIONS = 300
_DEPENDENCES = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0])
_MAX_CELLS = 1 << 22  # simulations × rows held at once: 32 MB


def perfect_ece(
    confidence: np.ndarray,  # (n,) in [0, 1]
    members: np.ndarray,  # (n, b) of 0 and 1, which bin each row is in
    *,
    groups: np.ndarray | None = None,  # (n,) int, 0, 1, …
    dependence: float = 0.0,
    seed: int = 0,
) -> np.ndarray:  # (SIMULATIONS,)
    """ECEs of simulated judges for which `confidence` is exactly right, in the given bins (Bröcker and Smith 2007)."""
    random, n = np.random.default_rng(seed), len(confidence)
    gaps = []
    for rows in _pieces(SIMULATIONS, n):
        if groups is None or not dependence:
            labels = random.random((rows, n)) < confidence
        else:
            shared, own = _normals(random, rows, groups)
            labels = _labels(confidence, shared, own, dependence)
        gaps.append(np.abs((labels - confidence) @ members).sum(axis=1) / n)
    return np.concatenate(gaps)


def dependence_within(
    confidence: np.ndarray,  # (n,) in [0, 1]
    correct: np.ndarray,  # (n,) of 0 and 1
    members: np.ndarray,  # (n, b) of 0 and 1, which bin each row is in
    groups: np.ndarray,  # (n,) int, 0, 1, …
    *,
    seed: int = 0,
) -> float:
    """ρ in [0, 1]: how much the outcomes of one group hang together, by the method of moments.

    The moment is Σ over pairs of rows of one group of r_i · r_j, where r is what is left of (label − confidence) when
    the mean of its bin is taken off: a judge that is wrong by the same amount everywhere does not pass for a dependent
    one. ρ is where simulated labels show, in the mean, the moment that was seen; the bins that a single group fills
    bias both alike.

    >>> confidence, groups = np.full(200, 0.5), np.repeat(np.arange(40), 5)
    >>> one_answer_a_group = (groups % 2).astype(float)
    >>> dependence_within(confidence, one_answer_a_group, np.ones((200, 1)), groups)
    1.0
    """
    random, n = np.random.default_rng(seed), len(confidence)
    seen = _within_groups((correct - confidence)[None, :], members, groups)[0]
    simulations = int(np.clip(_MAX_CELLS // n, 1, _MATCHING_SIMULATIONS))
    shared, own = _normals(random, simulations, groups)  # the same for each ρ, so that the moment rises smoothly
    moments = [
        float(_within_groups(_labels(confidence, shared, own, rho) - confidence, members, groups).mean())
        for rho in _DEPENDENCES
    ]
    return float(np.interp(seen, np.maximum.accumulate(moments), _DEPENDENCES))


def _pieces(simulations: int, n: int) -> Iterator[int]:
    piece = max(1, _MAX_CELLS // n)
    yield from (min(piece, simulations - start) for start in range(0, simulations, piece))


def _normals(random: np.random.Generator, simulations: int, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group's and the row's own latent variables, both (simulations, n)."""
    of_group = random.standard_normal((simulations, int(groups.max()) + 1))
    return of_group[:, groups], random.standard_normal((simulations, len(groups)))


def _labels(confidence: np.ndarray, shared: np.ndarray, own: np.ndarray, dependence: float) -> np.ndarray:
    latent = np.sqrt(dependence) * shared + np.sqrt(1 - dependence) * own
    return np.asarray(latent < norm.ppf(confidence))


def _within_groups(gaps: np.ndarray, members: np.ndarray, groups: np.ndarray) -> np.ndarray:  # (s, n) -> (s,)
    """Twice the sum of r_i · r_j over the pairs of each group: (Σ r)² − Σ r², r the gaps less their bins' means."""
    residual = gaps - (gaps @ members / members.sum(axis=0)) @ members.T
    n = len(groups)
    of_group = csr_matrix((np.ones(n), (groups, np.arange(n))), shape=(int(groups.max()) + 1, n))
    return np.asarray(((of_group @ residual.T) ** 2).sum(axis=0) - (residual**2).sum(axis=1))
