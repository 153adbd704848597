"""ServingSettings: how a server behaves. The table [serving] of assay.toml.

    settings = ServingSettings.from_mapping({"deadline_ms": 500, "judges": {"advice": {"action": "block"}}})

Addresses and secrets (webhooks, language models) are not here: they have tables of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

from assay.schema.errors import InputError, shown
from assay.schema.records import record_from
from assay.store.events import LateSpans

PositiveAction: TypeAlias = Literal["flag", "block"]

_ABOVE_ZERO = (
    "deadline_ms", "batch_deadline_ms", "event_deadline_ms", "max_deadline_ms", "max_tokens_in_flight",
    "max_request_tokens", "memory_mb", "watch_s", "lease_s", "event_max_age_hours",
    "retention_days", "max_body_bytes", "requests_per_minute", "max_judges", "trace_quiet_s", "session_quiet_s",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """What holds for the judges of one name.

    `action` is what a verdict on one of `act_on` means for the request; `act_on` is by default the positive label of a
    binary scale. `canary_share` None takes the server's. A pinned judge is never put out of memory.
    """

    action: PositiveAction = "flag"
    act_on: tuple[str, ...] | None = None
    canary_share: float | None = None
    pinned: bool = False


@dataclass(frozen=True, kw_only=True)
class ServingSettings:
    """Limits and habits of a server.

    `deadline_ms` holds for a guardrail's request that names none, `batch_deadline_ms` for one of several examples,
    `event_deadline_ms` for one verdict of an event. An event that waited for longer than `event_max_age_hours` is not
    judged any more; None judges it whenever that is possible.
    `max_tokens_in_flight` bounds admission, `max_request_tokens` what one request may ask for, `memory_mb` what judges
    may take. With `keep_text` the redacted text stands with its verdict. `hosts` are names beside those of loopback
    that a server without keys may be called by. A trace is judged when nothing of it came for `trace_quiet_s`, a
    session after `session_quiet_s`; spans that come after that are judged `apart` from the others, or dropped.
    `otlp_endpoint` is a collector that is told of every verdict, with the headers that the environment variable
    `otlp_headers_variable` holds.
    """

    deadline_ms: int = 1000
    batch_deadline_ms: int = 30_000
    max_deadline_ms: int = 60_000
    event_deadline_ms: int = 30_000
    event_max_age_hours: float | None = None
    max_tokens_in_flight: int = 400_000
    max_request_tokens: int = 200_000
    canary_share: float = 0.1
    memory_mb: int = 8192
    watch_s: float = 1.0
    lease_s: float = 60.0
    keep_text: bool = True
    retention_days: int = 90
    max_body_bytes: int = 1_000_000
    max_judges: int = 16
    requests_per_minute: int = 60_000
    hosts: tuple[str, ...] = ()
    trace_quiet_s: float = 5.0
    session_quiet_s: float = 60.0
    late_spans: LateSpans = "apart"
    trace_judges: tuple[str, ...] = ()
    otlp_endpoint: str | None = None
    otlp_headers_variable: str | None = None
    judges: Mapping[str, JudgeSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"[serving] {name} is above zero.", required="> 0", got=shown(value))
        shares = {"canary_share": self.canary_share} | {
            f"judges.{name}.canary_share": judge.canary_share for name, judge in self.judges.items()
        }
        for name, share in shares.items():
            if share is not None and not 0 <= share <= 1:
                raise InputError(f"[serving] {name} is a share.", required="a number in [0, 1]", got=shown(share))

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any]) -> Self:
        """Parse the table. Raises InputError with a did-you-mean."""
        return record_from(cls, table, where="assay.toml [serving]")

    def judge(self, name: str) -> JudgeSettings:
        """What holds for judges of this name."""
        return self.judges.get(name, JudgeSettings())

    def share_of_canary(self, name: str) -> float:
        """The share of requests that a canary of this name gets."""
        own = self.judge(name).canary_share
        return self.canary_share if own is None else own
