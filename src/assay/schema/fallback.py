"""What holds when a judge cannot run, and who decides when it abstains. Part of the immutable judge version.

A rung of the fallback chain answers where the judge could not run; after the last rung the version's `fallback` action
holds. Escalation is another matter: the judge ran and declined. Addresses, keys and spending caps are no part of a
version: they stand in assay.toml, under the names used here.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from assay.schema.errors import InputError, shown

DEFAULT_LLM_BUDGET_MS = 2000
DEFAULT_RULES_BUDGET_MS = 20
DEFAULT_MAX_CHARS = 24_000  # of content shown to an LLM: about 6,000 tokens
THRESHOLD_DECIDES = "threshold"  # as an escalation's default: the label that the judge's own threshold gives


@dataclass(frozen=True, kw_only=True)
class LlmRung:
    """A prompted LLM. `endpoint` names the table [llm.NAME] of assay.toml that holds its address and key."""

    endpoint: str
    model: str
    template: str = "llm.v1"
    max_chars: int = DEFAULT_MAX_CHARS
    budget_ms: int = DEFAULT_LLM_BUDGET_MS
    kind: Literal["llm"] = "llm"

    def __post_init__(self) -> None:
        _check_budget(self.budget_ms)


@dataclass(frozen=True, kw_only=True)
class RulesRung:
    """A rule file that lies in the judge's folder and is listed in its files."""

    file: str = "rules.toml"
    budget_ms: int = DEFAULT_RULES_BUDGET_MS
    kind: Literal["rules"] = "rules"

    def __post_init__(self) -> None:
        _check_budget(self.budget_ms)


Rung: TypeAlias = LlmRung | RulesRung


@dataclass(frozen=True, kw_only=True)
class Escalation:
    """Who decides what the judge declined.

    `llm` is given for `to = "llm"`, `judge` (a version id) for `to = "judge"`. `default` is what decides when the
    larger one cannot or its monthly cap is spent: a label, `threshold` (what the judge's own threshold says), or None:
    the verdict stays Abstained.
    """

    to: Literal["llm", "judge", "human"]
    llm: LlmRung | None = None
    judge: str | None = None
    default: str | None = None
    budget_ms: int = DEFAULT_LLM_BUDGET_MS

    def __post_init__(self) -> None:
        _check_budget(self.budget_ms)
        if (self.to == "llm") != (self.llm is not None) or (self.to == "judge") != (self.judge is not None):
            raise InputError(
                "An escalation names the one it goes to.",
                required='llm for to = "llm", judge for to = "judge", neither for to = "human"',
                got=f"to = {shown(self.to)}, llm {'given' if self.llm else 'absent'}, judge {shown(self.judge)}",
            )


def _check_budget(budget_ms: int) -> None:
    if budget_ms <= 0:
        raise InputError("A time budget is above zero.", required="milliseconds > 0", got=shown(budget_ms))
