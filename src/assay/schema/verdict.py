"""Verdict: what a judge says of an example: `Decided`, `Abstained` or `Failed`; never NaN, never None.

`route` says who spoke (judge, fallback.llm, fallback.rules, fallback.action, escalation.llm, escalation.judge,
escalation.human, escalation.default), `reason_code` why it was that one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["single-token", "verdict", "reasoning"]
Action: TypeAlias = Literal["allow", "flag", "block", "allow-and-flag"]
BY_PEOPLE = "escalation.human"  # the route of a verdict whose example waits for people
AWAITING_PERSON = "awaiting-person"  # and its reason code


@dataclass(frozen=True, kw_only=True)
class Decided:
    """The judge gave a label.

    `probability` is the calibrated probability of `label`; `probabilities` holds every label's, summing to 1;
    `scores` are the raw log-softmax values behind them. `truncated_tokens` counts what the declared truncation left
    out. `explanation` is what the model said after its verdict (mode `reasoning`), `explanation_cut` whether its token
    limit, or the time there was, ended it.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    scores: Mapping[str, float]
    judge: str  # judge version id, such as advice-3f2a91c0
    latency_ms: float
    mode: Mode = "single-token"
    route: str = "judge"
    truncated_tokens: int = 0
    reason_code: str = "judged"
    explanation: str = ""
    explanation_cut: bool = False
    kind: Literal["decided"] = "decided"


@dataclass(frozen=True, kw_only=True)
class Abstained:
    """The probability lies in the judge's abstention band."""

    reason: str
    probabilities: Mapping[str, float]
    scores: Mapping[str, float]
    judge: str
    latency_ms: float
    mode: Mode = "single-token"
    route: str = "judge"
    truncated_tokens: int = 0
    reason_code: str = "in-band"
    explanation: str = ""
    explanation_cut: bool = False
    kind: Literal["abstained"] = "abstained"


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The judge could not run; `action` is the declared fallback. Rates exclude it."""

    reason: str
    action: Action
    judge: str
    latency_ms: float = 0.0
    route: str = "fallback"
    reason_code: str = "not-judged"
    kind: Literal["failed"] = "failed"


Verdict: TypeAlias = Decided | Abstained | Failed
