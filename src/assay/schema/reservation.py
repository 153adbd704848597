"""Reservation: money set aside for one call to a language model, until its cost is known."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """In whole millionths of a US dollar. `purpose` is a text such as `escalation/advice`."""

    month: str  # such as 2026-11, in UTC
    purpose: str
    model: str
    micro_usd: int
