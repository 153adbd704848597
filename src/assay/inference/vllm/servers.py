"""VllmServers: where the vLLM servers of a workspace are, and how they may be used. From `[engine]` in assay.toml.

These are the only addresses that the backend asks: no judge, no request and no answer of a server can name another.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from assay.schema.errors import InputError, shown

DEFAULT_IN_FLIGHT = 64
DEFAULT_TIMEOUT_S = 120.0
DEFAULT_PATIENCE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class VllmServers:
    """vLLM servers (replicas).

    Args:
        urls: one base address a replica; each must be one server process, not a balancer in front of several, since
            an adapter is loaded into the process that is asked.
        api_key: sent as a bearer token; empty sends none.
        judges_folder: the folder of the judges as the servers see it; None where it is the same as here.
        in_flight: requests that one replica works on at a time; the others wait here, the most urgent first.
        timeout_s: for one answer, where no deadline is nearer.
        patience_s: how long a request waits for a server to come back where none is left; then it fails.

    """

    urls: tuple[str, ...]
    api_key: str = field(default="", repr=False)
    judges_folder: str | None = None
    in_flight: int = DEFAULT_IN_FLIGHT
    timeout_s: float = DEFAULT_TIMEOUT_S
    patience_s: float = DEFAULT_PATIENCE_S

    def __post_init__(self) -> None:
        checked = tuple(base_url(url) for url in self.urls)
        if not checked or len(set(checked)) != len(checked):
            raise InputError(
                "The vllm backend needs its servers.",
                required='different addresses, urls = ["http://127.0.0.1:8000"]',
                got=shown(list(self.urls)),
                next_step="start one (docs/vllm.md)",
            )
        if self.in_flight < 1 or self.timeout_s <= 0 or self.patience_s < 0:
            raise InputError(
                "The limits of the vllm backend are positive.",
                required="in_flight ≥ 1, timeout_s > 0 and patience_s ≥ 0",
                got=f"in_flight {self.in_flight}, timeout_s {self.timeout_s:g}, patience_s {self.patience_s:g}",
            )
        object.__setattr__(self, "urls", checked)


def base_url(url: str) -> str:
    """The address without a closing slash or `/v1`. Raises InputError for what is not a plain HTTP address.

    >>> base_url("http://127.0.0.1:8000/v1/")
    'http://127.0.0.1:8000'
    """
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        plain = False
    if not plain or "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError(
            "The address of a vLLM server is not one.",
            required="http://HOST:PORT or https://HOST:PORT, without user, query or fragment",
            got=shown(url),
        )
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
