"""Outbound requests to addresses that callers gave, such as webhooks: to the public internet only.

    check_address("https://example.org/hook")                       # when the address is given
    httpx.AsyncClient(transport=PublicTransport(), timeout=10)      # when something is sent to it

A name is resolved for each request, every address it has must be public, and the connection goes to the very address
that was looked at: a name that answers differently a second later (DNS rebinding) changes nothing. Redirects are not
followed by httpx unless asked for; a followed one passes through here again. Addresses in assay.toml do not come here.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import httpx

from assay.schema.errors import InputError, RefusedError, shown

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # host, port → addresses
_MAX_URL_CHARS = 2048


def check_address(url: str) -> str:
    """The address itself if its form will do: http or https, a host, no user or password. Raises InputError.

    It does not resolve the name: what it points at may change, so `PublicTransport` looks when it sends. An address
    written in digits is looked at here too.
    """
    parts = urlsplit(url if len(url) <= _MAX_URL_CHARS else "")
    try:
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        fine = False
    if not fine or parts.username is not None or parts.password is not None:
        raise InputError(
            "This is no address that can be called.",
            required=f"http(s)://HOST/…, without a user, up to {_MAX_URL_CHARS} characters",
            got=shown(url),
        )
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return url
    public_only([host], host)
    return url


def public_only(addresses: Sequence[str], host: str) -> list[str]:
    """The addresses, if there are some and every one is public. Raises RefusedError."""
    if not addresses or not all(_is_public(address) for address in addresses):
        raise RefusedError(
            f"The host {shown(host)} is not on the public internet.",
            required="a host all of whose addresses are public",
            next_step="addresses of one's own network are named in assay.toml, not by callers",
        )
    return list(addresses)


class PublicTransport(httpx.AsyncBaseTransport):
    """An httpx transport that connects to public addresses only. Raises RefusedError for others."""

    def __init__(self, inner: httpx.AsyncBaseTransport | None = None, resolve: Resolve | None = None) -> None:
        self._inner = inner or httpx.AsyncHTTPTransport()
        self._resolve = resolve or _resolved

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first of its host's addresses; certificates are checked against the host's name."""
        check_address(str(request.url))
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        address = public_only(await self._resolve(host, port), host)[0]
        pinned = httpx.Request(
            method=request.method,
            url=request.url.copy_with(host=address),
            headers=request.headers,  # its Host header names the host
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None) or parsed
    return bool(inner.is_global and parsed.is_global and not inner.is_multicast)


async def _resolved(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise RefusedError(f"The host {shown(host)} cannot be found.", next_step="check the address") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
