"""Certificate: what was shown about a judge's two thresholds, on which rows, at which risk and confidence."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Drawn: TypeAlias = Literal["uniform", "weighted"]
Sides: TypeAlias = Literal["both", "negative", "positive"]


@dataclass(frozen=True, kw_only=True)
class CertifiedThreshold:
    """One threshold. `bound` is the upper confidence bound of the share of wrong rows beyond it, in production.

    Negative side: rows with probability < `threshold`, wrong where positive. Positive side: ≥ `threshold`, wrong where
    negative.
    """

    threshold: float
    rows: int
    wrong: int
    bound: float


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """With probability ≥ `confidence` over the draw of the rows, no certified side is wrong more often than `risk`.

    A side that is None was not asked for: all of it is escalated. `decided_share` is the share of production that the
    judge decides itself, with a 95 % interval.
    """

    risk: float
    confidence: float
    sides: Sides
    drawn: Drawn  # how the rows were drawn from production, as stated by `stated_by`
    stated_by: str
    method: str
    rows: int
    rows_digest: str  # SHA-256 over example ids and labels
    negative: CertifiedThreshold | None
    positive: CertifiedThreshold | None
    decided_share: float
    decided_share_low: float
    decided_share_high: float
