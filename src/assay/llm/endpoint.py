"""Endpoint: where a language model is asked. It comes from assay.toml and is trusted, loopback included.

What callers of a server send never becomes an endpoint.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from assay.llm.prices import Price
from assay.schema.errors import InputError, shown

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_RETRIES = 2


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One table [llm.NAME] of assay.toml, looked up.

    `model` is the one that answers where nothing else is said. `price` overrides the table of prices, as a model on
    one's own machine needs.
    """

    name: str
    base_url: str
    model: str
    api_key: str = field(default="", repr=False)  # empty for servers that ask for none
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_retries: int = DEFAULT_RETRIES
    price: Price | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"The address of [llm.{self.name}] is no address.",
                required='base_url = "https://HOST/v1"',
                got=shown(self.base_url),
            )
        if self.timeout_s <= 0 or self.max_retries < 0:
            raise InputError(
                f"[llm.{self.name}] has a limit out of range.",
                required="timeout_s > 0 and max_retries ≥ 0",
                got=f"{self.timeout_s} and {self.max_retries}",
            )
