"""Webhook: an address that verdicts are sent to. It stands in assay.toml; no caller gives one."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An address, and the secret that what is sent there is signed with."""

    url: str
    secret: str = field(repr=False)
