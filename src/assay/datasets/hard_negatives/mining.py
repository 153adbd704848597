"""Mining: which rows of a pool an expert should look at first, so that a judge stops raising false alarms there.

    mined = mine(PoolRows(texts=…, vectors=…, positives=…, judge=View.silent(n), teacher=View.silent(n)), wanted=150)

A row is a candidate for one of three reasons: it lies near the positive rows and yet nobody holds it for one
(`neighbour`), judge and teacher contradict each other (`disagreement`), or the judge flags it and there is no teacher
(`flagged`). The true label is not known: experts give it, and what turns out positive is as welcome.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from assay.datasets.hard_negatives.neighbours import nearness
from assay.datasets.hard_negatives.spread import BALANCE, shares_of, spread
from assay.datasets.hard_negatives.views import NEGATIVE, POSITIVE, View
from assay.datasets.near_duplicates import DEFAULT_THRESHOLD, near_duplicate_pairs, nearly_among
from assay.schema.errors import InputError, shown

Reason: TypeAlias = Literal["neighbour", "disagreement", "flagged"]
REASONS: tuple[Reason, ...] = ("disagreement", "flagged", "neighbour")  # a row of several is mined for the first
PER_PLACE = 10  # candidates looked at for each place: enough to choose unlike ones from, all of them hard


@dataclass(frozen=True, kw_only=True)
class MiningSettings:
    """`neighbours` positive rows make up the nearness; `balance` in [0, 1] is 1 for the hardest rows, however alike;
    `similar` is the Jaccard similarity from which two texts are one.
    """

    neighbours: int = 5
    balance: float = BALANCE
    similar: float = DEFAULT_THRESHOLD

    def __post_init__(self) -> None:
        if self.neighbours < 1 or not 0 <= self.balance <= 1 or not 0 < self.similar <= 1:
            raise InputError(
                "A setting of the mining is out of range.",
                required="1 neighbour or more, a balance from 0 to 1, a similarity above 0, up to 1",
                got=f"{shown(self.neighbours)}, {shown(self.balance)}, {shown(self.similar)}",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolRows:
    """n rows of a pool, aligned. `known` are folded texts that are labelled already."""

    texts: Sequence[str]  # folded
    vectors: np.ndarray  # (n, d) of length one
    positives: np.ndarray  # (m, d) of length one: the labelled positive rows
    judge: View
    teacher: View
    known: Sequence[str] = field(default=())


@dataclass(frozen=True, kw_only=True)
class MinedRow:
    """One row: its place in the pool, why it was mined, how hard it is in [0, 1] among those of its reason, its
    nearness (mean cosine) and the place of the nearest positive row.
    """

    place: int
    reason: Reason
    hardness: float
    nearness: float
    nearest: int


@dataclass(frozen=True, kw_only=True)
class Mined:
    """The rows in the order of choice; how many candidates there were for each reason, and how many of those looked at
    were left out as copies.
    """

    rows: tuple[MinedRow, ...]
    candidates: dict[Reason, int]
    copies: int


def mine(pool: PoolRows, wanted: int, settings: MiningSettings | None = None) -> Mined:
    """Up to `wanted` rows, an even share for each reason. Raises ValueError without a positive row."""
    asked = settings or MiningSettings()
    near, nearest = nearness(pool.vectors, pool.positives, asked.neighbours)
    hardness = {reason: _hardness(reason, near, pool) for reason in REASONS}
    candidates = {reason: _hardest(values, PER_PLACE * wanted) for reason, values in hardness.items()}
    fresh, copies = _fresh(pool, candidates, asked.similar)
    rows: list[MinedRow] = []
    for number, reason in enumerate(REASONS):
        chosen = {row.place for row in rows}
        left = [[place for place in fresh[later] if place not in chosen] for later in REASONS[number:]]
        share = shares_of(wanted - len(rows), [len(places) for places in left])[0]
        places = np.array(left[0][: PER_PLACE * share], dtype=int)
        taken = pool.vectors[[row.place for row in rows]]
        for at in spread(_ranks(len(places)), pool.vectors[places], share, taken, asked.balance):
            place = int(places[at])
            rows.append(
                MinedRow(
                    place=place,
                    reason=reason,
                    hardness=float(hardness[reason][place]),
                    nearness=float(near[place]),
                    nearest=int(nearest[place]),
                )
            )
    found = {reason: int(np.count_nonzero(~np.isnan(values))) for reason, values in hardness.items()}
    return Mined(rows=tuple(rows), candidates=found, copies=copies)


def _hardness(reason: Reason, near: np.ndarray, pool: PoolRows) -> np.ndarray:  # (n,), NaN: no candidate
    judge, teacher = pool.judge, pool.teacher
    if reason == "disagreement":
        apart = np.abs(judge.positive - teacher.positive)
        return np.where(judge.asked & teacher.asked & (judge.says != teacher.says), apart, np.nan)
    if reason == "flagged":
        return np.where((judge.says == POSITIVE) & ~teacher.asked, judge.positive, np.nan)
    says = np.where(teacher.asked, teacher.says, np.where(judge.asked, judge.says, NEGATIVE))
    return np.where(says == NEGATIVE, (near + 1) / 2, np.nan)


def _hardest(hardness: np.ndarray, most: int) -> list[int]:
    """Places, the hardest first."""
    places = np.flatnonzero(~np.isnan(hardness))
    ordered: list[int] = places[np.argsort(-hardness[places], kind="stable")][:most].tolist()
    return ordered


def _fresh(pool: PoolRows, candidates: dict[Reason, list[int]], similar: float) -> tuple[dict[Reason, list[int]], int]:
    """The candidates without copies of labelled rows and of one another, and how many copies there were."""
    order = list(dict.fromkeys(place for reason in REASONS for place in candidates[reason]))
    texts = [pool.texts[place] for place in order]
    copies = {order[at] for at in np.flatnonzero(nearly_among(texts, pool.known, similar))}
    copies |= {order[later] for _, later in near_duplicate_pairs(texts, similar)}  # each of them joins an earlier one
    return {reason: [place for place in candidates[reason] if place not in copies] for reason in REASONS}, len(copies)


def _ranks(n: int) -> np.ndarray:  # (n,) 1 for the first, falling to above 0
    return 1 - np.arange(n) / max(n, 1)
