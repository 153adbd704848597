"""Gate: one requirement that a judge version must meet before promotion."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A requirement and what was measured.

    `measured` is None where it could not be measured; such a gate is not passed. `low` and `high` bound the measured
    value.
    """

    name: str  # such as beats-baseline
    required: str  # such as "F1 above the bag-of-words baseline, lower bound > 0"
    measured: float | None
    low: float | None
    high: float | None
    passed: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """May this version be promoted? Yes when every gate passed."""

    judge: str
    dataset: str
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        """True when every gate passed (and there is at least one)."""
        return bool(self.gates) and all(gate.passed for gate in self.gates)

    @property
    def because(self) -> tuple[str, ...]:
        """The reasons of the gates that failed."""
        return tuple(gate.why for gate in self.gates if not gate.passed)
