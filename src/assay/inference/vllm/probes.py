"""Probes: a few token rows of a judge with the label scores that its own training saw, to hold a server against.

    write_probes(folder, Probes(rows=…, scores=…))   # by training, beside judge.json, before the folder is digested

vLLM lists its models by name; that a name stands for the very weights, at a number format that gives the same scores,
only scores can show. A judge without `probes.json` goes without this check.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assay.schema.errors import IntegrityError

PROBES_FILE = "probes.json"
TOLERANCE = 0.1  # of a log-softmax score: bfloat16 moves scores by some hundredths, other weights by far more


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Token rows and their scores."""

    rows: tuple[tuple[int, ...], ...]  # (n,)
    scores: tuple[tuple[float, ...], ...]  # (n, k), log-softmax over the labels in the order of the scale


def read_probes(folder: Path) -> Probes | None:
    """The probes in a judge's folder, None where there are none. Raises IntegrityError."""
    path = folder / PROBES_FILE
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(tuple(int(token) for token in row) for row in values["rows"])
        scores = tuple(tuple(float(score) for score in row) for row in values["scores"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError("The judge's probes cannot be read.", got=type(error).__name__) from None
    if not rows or len(rows) != len(scores):
        raise IntegrityError("The judge's probes are not whole.", got=f"{len(rows)} rows, {len(scores)} scores")
    return Probes(rows=rows, scores=scores)


def write_probes(folder: Path, probes: Probes) -> None:
    """Write `probes.json` into a judge's folder."""
    text = json.dumps({"rows": probes.rows, "scores": probes.scores})
    (folder / PROBES_FILE).write_text(f"{text}\n", encoding="utf-8")


def drift(expected: tuple[float, ...], found: np.ndarray) -> float:
    """The largest difference of two rows of scores (k,); infinite where they are not of one length or not finite.

    >>> drift((-0.5, -1.0), np.array([-0.5, -1.25]))
    0.25
    """
    wanted = np.array(expected)
    if wanted.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(wanted - found).max())
