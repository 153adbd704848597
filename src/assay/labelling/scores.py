"""What makes an example worth a label, as a number in [0, 1]: a judge's doubt, two opinions apart, a thin slice.

An `Opinion` is what a judge or an LLM said of one example: a label, or probabilities, or both.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.schema.verdict import Failed, Verdict


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """A label and, where they are known, the probabilities of all labels. `label` None: it could not say."""

    label: str | None
    probabilities: Mapping[str, float] = field(default_factory=dict)


def opinion_of(verdict: Verdict) -> Opinion:
    """A verdict as an opinion. An abstention has probabilities and no label; a failure has neither."""
    if isinstance(verdict, Failed):
        return Opinion(label=None)
    return Opinion(label=getattr(verdict, "label", None), probabilities=verdict.probabilities)


def uncertainty(opinions: Sequence[Opinion | None]) -> np.ndarray:  # (n,) in [0, 1]
    """Entropy of the probabilities over that of equal ones: −Σ p·ln p / ln k (Shannon 1948; uncertainty sampling: Lewis
    and Gale 1994). 1 where nothing was said; 0 for a bare label.

    >>> uncertainty([Opinion(label="a", probabilities={"a": 0.5, "b": 0.5}), Opinion(label="a"), None]).tolist()
    [1.0, 0.0, 1.0]
    """
    return np.array([_doubt(opinion) for opinion in opinions], dtype=float)


def disagreement(ours: Sequence[Opinion | None], theirs: Sequence[Opinion | None]) -> np.ndarray:  # (n,) in [0, 1]
    """How far two opinions of an example are apart: half the sum of |p − q| over the labels (total variation); a bare
    label counts as probability 1. Where only one of the two says anything: 0, for there is nothing to compare.

    >>> yes, no = Opinion(label="yes"), Opinion(label="no", probabilities={"yes": 0.25, "no": 0.75})
    >>> disagreement([yes, yes, yes], [no, yes, None]).tolist()
    [0.75, 0.0, 0.0]
    """
    return np.array([_apart(a, b) for a, b in zip(ours, theirs, strict=True)], dtype=float)


def coverage(slices: Sequence[str]) -> np.ndarray:  # (n,) in (0, 1]
    """1 / the number of examples in the same slice: drawn by these, each slice gets as many as another.

    >>> coverage(["en", "en", "de"]).tolist()
    [0.5, 0.5, 1.0]
    """
    sizes = Counter(slices)
    return np.array([1 / sizes[name] for name in slices], dtype=float)


def _doubt(opinion: Opinion | None) -> float:
    if opinion is None or (opinion.label is None and not opinion.probabilities):
        return 1.0
    shares = np.array([share for share in opinion.probabilities.values() if share > 0])
    if len(opinion.probabilities) < 2:  # noqa: PLR2004 - one label leaves no doubt
        return 0.0
    return float(np.clip(-(shares * np.log(shares)).sum() / np.log(len(opinion.probabilities)), 0.0, 1.0))


def _apart(a: Opinion | None, b: Opinion | None) -> float:
    p, q = _shares(a), _shares(b)
    if not p or not q:
        return 0.0
    return min(1.0, sum(abs(p.get(label, 0.0) - q.get(label, 0.0)) for label in sorted(p.keys() | q.keys())) / 2)


def _shares(opinion: Opinion | None) -> Mapping[str, float]:
    if opinion is None:
        return {}
    if opinion.probabilities:
        return opinion.probabilities
    return {} if opinion.label is None else {opinion.label: 1.0}
