"""Reserved before, settled after: what a call costs is counted once, and never beyond the cap."""

import asyncio

import pytest

from assay.llm.exchange import Ask
from assay.llm.failures import LlmFailure
from assay.llm.recorded_endpoint import RecordedEndpoint, Reply, said
from assay.schema.errors import BudgetSpentError, NotFoundError
from assay.store.spending import Caps

ASK = Ask(system="s" * 1000, user="u" * 1000, max_answer_tokens=10)


def test_a_call_is_settled_at_its_price(paid, ledger):
    with RecordedEndpoint([said("yes", tokens_in=500, tokens_out=3)]) as endpoint:
        asyncio.run(paid(endpoint).ask("small", ASK))
    (row,) = ledger().month()
    assert (row.purpose, row.model, row.calls) == ("escalation/advice", "small", 1)
    assert (row.micro_usd, row.tokens_in, row.tokens_out) == (500 * 1 + 3 * 2, 500, 3)


def test_the_cap_stops_the_call_before_it_is_made(paid):
    with RecordedEndpoint([said("yes")]) as endpoint:
        client = paid(endpoint, Caps(each_purpose=0.001))
        assert client.usd_at_most("small", ASK) > 0.001
        with pytest.raises(BudgetSpentError, match="escalation/advice is reached"):
            asyncio.run(client.ask("small", ASK))
    assert endpoint.asked == []


def test_calls_at_once_do_not_pass_the_cap_together(paid, ledger):
    with RecordedEndpoint([said("yes", tokens_in=100, tokens_out=1)]) as endpoint:
        one = paid(endpoint).usd_at_most("small", ASK)
        client = paid(endpoint, Caps(each_purpose=3.5 * one))

        async def many():
            return await asyncio.gather(*(client.ask("small", ASK) for _ in range(12)), return_exceptions=True)

        ended = asyncio.run(many())
    assert any(isinstance(one, BudgetSpentError) for one in ended)
    assert sum(row.micro_usd for row in ledger().month()) <= 3.5 * one * 1e6


@pytest.mark.parametrize(("reply", "billed"), [(Reply(status=429), False), (Reply(body=b"{}"), True)])
def test_a_failed_call_is_free_unless_the_work_may_have_been_done(paid, ledger, reply, billed):
    with RecordedEndpoint([reply]) as endpoint:
        client = paid(endpoint)
        with pytest.raises(LlmFailure):
            asyncio.run(client.ask("small", ASK))
    (row,) = ledger().month()
    assert row.micro_usd == (round(client.usd_at_most("small", ASK) * 1e6) if billed else 0)


def test_a_model_without_a_price_is_not_called(paid):
    with RecordedEndpoint([said("yes")]) as endpoint, pytest.raises(NotFoundError, match="price of the model"):
        asyncio.run(paid(endpoint, price=None).ask("my-own", ASK))
    assert endpoint.asked == []
