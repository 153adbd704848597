"""Access: who may come in. A key opens its scopes, at its pace; without any key, a server on loopback is open.

    caller = await access.caller(header, "judge", host)     # NotAllowedError (401), ScopeError (403), …

A key is looked up by the SHA-256 of its secret and remembered for some seconds, so a revoked one opens nothing after
that time; while the database is away, what is known holds for a quarter of an hour. Of what is no key a few thousand
are remembered, so guessing fills no memory and puts nobody out. Whoever comes without a key must have called this
machine by one of its own names: a web page whose name leads here by a trick (DNS rebinding) reads nothing. Belongs to
one event loop.
"""

import asyncio
import hashlib
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from assay.schema.errors import AssayError, OverloadedError, RefusedError, shown
from assay.schema.ids import utc_now
from assay.serving.settings import ServingSettings
from assay.store import keys
from assay.store.database import Database
from assay.store.keys import SCOPES, ApiKey, Scope

REMEMBERED_S = 5.0
PATIENCE_S = 1.0  # with a database that is slow to answer
MOST_REMEMBERED_S = 900.0  # while the database is away: a guardrail must go on
MAX_UNKNOWN = 4096  # secrets that are no key; of keys there are as many as were made
LONGEST_KEY = 200
BURST_S = 2.0  # of its pace that a key may spend at once
LATER = "send it again after the time in Retry-After"
ANONYMOUS = ApiKey(id="anonymous", name="anonymous", scopes=SCOPES)


class NotAllowedError(AssayError):
    """No key, or one that opens nothing here."""

    code = "not-allowed"


class ScopeError(RefusedError):
    """The key is good, but not for this."""

    code = "wrong-scope"


class HostError(RefusedError):
    """An open server was called by a name that is not this machine's."""

    code = "wrong-host"


class TooFastError(OverloadedError):
    """The key's pace is spent for now."""

    code = "too-fast"


@dataclass(kw_only=True)
class _Known:
    key: ApiKey | None
    read_s: float
    until_s: float


@dataclass(kw_only=True)
class _Bucket:
    """What a key may spend now, in requests, as of a time."""

    requests: float
    filled_s: float


class Access:
    """The keys of one workspace."""

    def __init__(
        self,
        database: Database,
        limits: ServingSettings,
        *,
        open_access: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._limits = limits
        self._open_access = open_access
        self._clock = clock
        self._known: dict[str, _Known] = {}  # by digest: keys
        self._unknown: dict[str, _Known] = {}  # by digest: what is none, the one read longest ago first
        self._buckets: dict[str, _Bucket] = {}  # by a key's id

    async def caller(self, header: str | None, scope: Scope, host: str) -> ApiKey:
        """Who a request with this Authorization header is from, that was sent to this Host.

        Raises NotAllowedError, ScopeError, HostError, TooFastError.
        """
        secret = _secret(header)
        known = await self._look_up(secret)
        if known.key is None or not known.key.holds(utc_now()):
            raise NotAllowedError(
                "This needs an API key." if secret is None else "This API key opens nothing here.",
                required="the header Authorization: Bearer KEY",
                next_step="make one: assay keys add NAME --scope judge",
            )
        if scope not in known.key.scopes and "admin" not in known.key.scopes:
            raise ScopeError(
                "This API key is not for that.",
                required=f"the scope {scope}",
                got=f"{', '.join(known.key.scopes)}",
                next_step=f"make one: assay keys add NAME --scope {scope}",
            )
        if known.key is ANONYMOUS and not self._is_ours(host):
            raise HostError(
                "Without a key this server is for this machine only.",
                required="a loopback address as Host",
                got=shown(host),
                next_step="send a key, or name the host in hosts of [serving] in assay.toml",
            )
        self._spend(known.key)
        return known.key

    @property
    def remembered(self) -> int:
        """How many secrets are remembered, keys or not."""
        return len(self._known) + len(self._unknown)

    def forget(self) -> None:
        """Look every key up anew."""
        self._known.clear()
        self._unknown.clear()

    async def _look_up(self, secret: str | None) -> _Known:
        digest = "" if secret is None else hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
        known = self._known.get(digest) or self._unknown.get(digest)
        now = self._clock()
        if known is not None and now < known.until_s:
            return known
        may_be_used = known is not None and now <= known.read_s + MOST_REMEMBERED_S
        if known is not None and may_be_used and now < known.until_s + REMEMBERED_S:
            known.until_s = now + PATIENCE_S  # in use: one request looks it up, the others go on meanwhile
        try:
            async with asyncio.timeout(PATIENCE_S if may_be_used else None):
                key = await asyncio.to_thread(self._read, digest)
        except (AssayError, TimeoutError):
            if known is None or not may_be_used:
                raise AssayError("The database is away, so keys cannot be looked up.", next_step=LATER) from None
            known.until_s = now + REMEMBERED_S
            return known
        fresh = _Known(key=key, read_s=now, until_s=now + REMEMBERED_S)
        self._remember(digest, fresh)
        return fresh

    def _remember(self, digest: str, fresh: _Known) -> None:
        self._known.pop(digest, None)
        self._unknown.pop(digest, None)
        if fresh.key is not None and fresh.key is not ANONYMOUS:
            self._known[digest] = fresh
            return
        if len(self._unknown) >= MAX_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[digest] = fresh

    def _is_ours(self, host: str) -> bool:
        name = host.lower() if host.endswith("]") else host.lower().rpartition(":")[0] or host.lower()
        return name == "localhost" or name in self._limits.hosts or is_loopback(name.strip("[]"))

    def _read(self, digest: str) -> ApiKey | None:
        with self._database.read() as connection:
            known = keys.by_digest(connection, digest) if digest else None
            is_open = known is None and self._open_access and not keys.every(connection)
        return ANONYMOUS if is_open else known  # an open server does not look at what some clients must send

    def _spend(self, key: ApiKey) -> None:
        now, pace = self._clock(), (key.requests_per_minute or self._limits.requests_per_minute) / 60
        most = max(pace * BURST_S, 1.0)
        bucket = self._buckets.get(key.id)
        if bucket is None:
            bucket = self._buckets[key.id] = _Bucket(requests=most, filled_s=now)
        bucket.requests = min(bucket.requests + (now - bucket.filled_s) * pace, most)
        bucket.filled_s = now
        if bucket.requests >= 1:
            bucket.requests -= 1
            return
        refusal = TooFastError(
            "This API key asks too often.",
            required=f"at most {pace * 60:.0f} requests a minute",
            next_step=LATER,
        )
        refusal.retry_after_s = (1 - bucket.requests) / pace
        raise refusal


def is_loopback(address: str) -> bool:
    """Whether this is an address that only this machine has.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("10.0.0.1"), is_loopback("example.org")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _secret(header: str | None) -> str | None:
    kind, _, secret = (header or "").partition(" ")
    secret = secret.strip()
    return secret if kind.lower() == "bearer" and 0 < len(secret) <= LONGEST_KEY else None
