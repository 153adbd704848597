"""What a run will cost, before a cent is spent.

`cost_of(asks, client, model)` gives what it will probably cost, by the usual four bytes of English a token, and what it
will hardly pass: two bytes a token, and the longest answers with the longest thinking. Thinking that is billed lies
between. A script that a tokenizer takes byte by byte, and calls that are asked again, can pass it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.llm.exchange import Ask
from assay.llm.paying import PaidClient
from assay.llm.prices import Price

USUAL_BYTES_A_TOKEN = 4
_ENVELOPE_TOKENS = 12  # of the JSON around a text


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Calls to a model with tokens and US dollars: expected, and at most."""

    calls: int
    tokens_in: int
    tokens_out: int
    usd: float
    usd_at_most: float
    price: Price | None  # None where nothing is asked


NOTHING = Cost(calls=0, tokens_in=0, tokens_out=0, usd=0.0, usd_at_most=0.0, price=None)


def cost_of(asks: Sequence[Ask], client: PaidClient, model: str, answer_bytes: int) -> Cost:
    """The cost of these calls; `answer_bytes` is what the texts to be written will have in all, about.

    Raises NotFoundError where the model has no price.
    """
    if not asks:
        return NOTHING
    sizes = (len((ask.system + ask.user).encode("utf-8", "replace")) for ask in asks)
    tokens_in = sum(size // USUAL_BYTES_A_TOKEN for size in sizes)
    tokens_out = answer_bytes // USUAL_BYTES_A_TOKEN + _ENVELOPE_TOKENS * len(asks)
    price = client.price(model)
    return Cost(
        calls=len(asks),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        usd=price.usd(tokens_in=tokens_in, tokens_out=tokens_out),
        usd_at_most=sum(client.usd_at_most(model, ask) for ask in asks),
        price=price,
    )
