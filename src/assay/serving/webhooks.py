"""Webhooks: tells verdicts to addresses that stand in assay.toml, signed, at least once.

What is sent follows the Standard Webhooks description: `webhook-id` (the same on every attempt, so that a receiver can
tell a repetition), `webhook-timestamp`, and `webhook-signature`, an HMAC-SHA256 over both and the body. A caller
chooses a webhook by name and can give no address; redirects are not followed.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import httpx

from assay.schema.errors import AssayError
from assay.serving.webhook import Webhook
from assay.store import deliveries
from assay.store.database import Database
from assay.store.deliveries import Delivery
from assay.store.leases import Lease

TIMEOUT_S = 10.0
PAUSES_S = (1, 5, 30, 120, 600, 3600, 6 * 3600)  # after each failed attempt; then it is given up
LEASE_S = 60.0
IDLE_S = 2.0
BATCH = 32
ACCEPTED = range(200, 300)

_log = logging.getLogger(__name__)


class Webhooks:
    """Sends what waits. `addresses` are the webhooks of assay.toml by name; `clock` gives seconds since 1970."""

    def __init__(
        self,
        database: Database,
        addresses: Mapping[str, Webhook],
        owner: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._clock = clock
        self.addresses = addresses
        self._owner = owner
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    async def run(self) -> None:
        """Send for ever."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
            while True:
                try:
                    sent = await self.step(client)
                except AssayError as error:
                    _log.warning("deliveries are out of reach", extra={"problem": error.problem})
                    sent = 0
                if sent:
                    continue
                self._woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_S):  # wait_for can swallow a cancellation (Python 3.11)
                        await self._woken.wait()

    async def step(self, client: httpx.AsyncClient) -> int:
        """Try what is due. Returns how many were tried."""
        due = await asyncio.to_thread(self._claim)
        await asyncio.gather(*(self._send(client, delivery) for delivery in due))
        return len(due)

    async def _send(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        problem = await self._attempt(client, delivery)
        await asyncio.to_thread(self._note, delivery, problem)

    async def _attempt(self, client: httpx.AsyncClient, delivery: Delivery) -> str:
        """Send it once. Returns what went wrong; nothing when it was taken."""
        webhook = self.addresses.get(delivery.webhook)
        if webhook is None:
            return "assay.toml has no such webhook"
        stamp = str(int(self._clock()))
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(webhook.key, delivery.id, stamp, delivery.body),
        }
        try:
            answer = await client.post(webhook.url, content=delivery.body.encode(), headers=headers)
        except httpx.HTTPError as error:
            return type(error).__name__
        return "" if answer.status_code in ACCEPTED else f"status {answer.status_code}"

    def _note(self, delivery: Delivery, problem: str) -> None:
        with self._database.begin() as connection:
            if not problem:
                deliveries.delivered(connection, delivery.id)
                return
            again = delivery.attempts < len(PAUSES_S)
            next_at_s = self._clock() + PAUSES_S[delivery.attempts] if again else None
            deliveries.failed(connection, delivery.id, problem=problem, next_at_s=next_at_s)
        _log.warning(
            "a webhook did not take its delivery" if again else "a delivery was given up",
            extra={"webhook": delivery.webhook, "delivery": delivery.id, "problem": problem},
        )

    def _claim(self) -> tuple[Delivery, ...]:
        lease = Lease(owner=self._owner, now_s=self._clock(), length_s=LEASE_S)
        with self._database.begin() as connection:
            return deliveries.claim(connection, lease, BATCH, PAUSES_S)


def signature(key: bytes, message_id: str, timestamp: str, body: str) -> str:
    """The signature header of a message.

    >>> signature(b"secret", "msg_1", "1700000000", "{}")
    'v1,A5oIrJxXPB/PkULSoVu0e4khvPiqpF9vljmhkSKg0FI='
    """
    signed = hmac.new(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"
