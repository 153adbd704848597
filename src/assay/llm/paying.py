"""Paying: every call to a language model is reserved before, settled after, and recorded by month and purpose.

`Spending` is the ledger's contract; `store.spending.Ledger` keeps it in the database. A reservation is made at an
estimate that is too high, so that calls in flight together cannot pass a cap; a call that may have been billed though
it brought no answer is settled at that estimate.
"""

import asyncio
from typing import Protocol

from assay.llm.client import THINKING_TOKENS, LlmClient
from assay.llm.exchange import Answer, Ask
from assay.llm.failures import LlmFailure
from assay.llm.prices import Price, Prices
from assay.schema.reservation import Reservation


class Spending(Protocol):
    """A ledger with a monthly cap for each purpose."""

    def reserve(self, purpose: str, model: str, micro_usd: int) -> Reservation:
        """Set money aside. Raises BudgetSpentError where the month's cap would be passed."""
        ...

    def settle(self, reservation: Reservation, *, micro_usd: int, tokens_in: int, tokens_out: int) -> None:
        """Replace a reservation by what the call cost."""
        ...


class PaidClient:
    """An LlmClient whose calls are paid for out of one purpose's budget."""

    def __init__(self, client: LlmClient, prices: Prices, spending: Spending, purpose: str) -> None:
        self._client = client
        self._prices = prices
        self._spending = spending
        self._purpose = purpose

    @property
    def client(self) -> LlmClient:
        """The client that asks."""
        return self._client

    def price(self, model: str) -> Price:
        """What the endpoint's table or the table of prices says. Raises NotFoundError."""
        return self._client.endpoint.price or self._prices.of(model)

    def usd_at_most(self, model: str, ask: Ask) -> float:
        """An estimate of one call's cost that is too high. Raises NotFoundError (no price)."""
        tokens_out = ask.max_answer_tokens + THINKING_TOKENS
        return self.price(model).usd(tokens_in=ask.tokens_at_most, tokens_out=tokens_out)

    async def ask(self, model: str, ask: Ask, *, timeout_s: float | None = None) -> Answer:
        """As `LlmClient.ask`. Raises BudgetSpentError (the cap), NotFoundError (no price), LlmFailure."""
        estimate = _micro(self.usd_at_most(model, ask))
        reserved = await asyncio.to_thread(self._spending.reserve, self._purpose, model, estimate)
        cost, tokens_in, tokens_out = estimate, 0, 0
        try:
            answer = await self._client.ask(model, ask, timeout_s=timeout_s)
            tokens_in, tokens_out = answer.tokens_in, answer.tokens_out
            if tokens_in or tokens_out:  # an endpoint that counts nothing is settled at the estimate
                cost = _micro(self.price(model).usd(tokens_in=tokens_in, tokens_out=tokens_out))
        except LlmFailure as failure:
            cost = estimate if failure.billed else 0
            raise
        finally:
            settling = asyncio.to_thread(
                self._spending.settle, reserved, micro_usd=cost, tokens_in=tokens_in, tokens_out=tokens_out
            )
            await asyncio.shield(settling)
        return answer


def _micro(usd: float) -> int:
    return round(usd * 1_000_000)
