"""The spending ledger on both databases: caps hold for calls in flight, and by purpose."""

import threading

import pytest

from assay.schema.errors import BudgetSpentError
from assay.store import spending
from assay.store.spending import Caps, Ledger, LimitSpentError


def test_a_reservation_counts_until_it_is_settled(database):
    ledger = Ledger(database, Caps(each_purpose=1.0))
    reserved = ledger.reserve("fallback/advice", "small", 600_000)
    with pytest.raises(BudgetSpentError) as caught:
        ledger.reserve("fallback/advice", "large", 600_000)
    assert caught.value.got == "$0.6000 spent, $0.6000 asked for"
    ledger.settle(reserved, micro_usd=100, tokens_in=5, tokens_out=2)
    ledger.reserve("fallback/advice", "large", 600_000)
    small, large = sorted(ledger.month(), key=lambda row: row.model, reverse=True)
    assert (small.micro_usd, small.calls, small.tokens_in, small.tokens_out) == (100, 1, 5, 2)
    assert (large.micro_usd, large.calls) == (600_000, 0)


def test_one_purpose_does_not_spend_anothers_money(database):
    ledger = Ledger(database, Caps(each_purpose=1.0, by_purpose={"augment": 0.1, "escalation/toxicity": 0.0}))
    ledger.reserve("fallback/advice", "small", 900_000)
    ledger.reserve("escalation/advice", "small", 900_000)
    for purpose in ("augment/advice", "escalation/toxicity"):
        with pytest.raises(BudgetSpentError):
            ledger.reserve(purpose, "small", 200_000)


def test_no_cap_is_no_cap(database):
    assert Ledger(database, Caps()).reserve("a", "small", 10**12).micro_usd == 10**12


def test_threads_at_once_do_not_pass_the_cap(database):
    ledger = Ledger(database, Caps(each_purpose=0.5))
    refused = []

    def spend():
        for _ in range(5):
            try:
                ledger.reserve("a", "small", 50_000)
            except BudgetSpentError:
                refused.append(1)

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (row,) = ledger.month()
    assert (row.micro_usd, len(refused)) == (500_000, 10)


def test_months_are_apart(database):
    ledger = Ledger(database, Caps())
    ledger.reserve("a", "small", 1)
    assert ledger.month("1999-01") == ()
    assert len(ledger.month()) == 1


def test_a_limit_holds_over_all_months_and_for_one_purpose(database, monkeypatch):
    ledger = Ledger(database, Caps(each_purpose=1.0)).up_to(1.2)
    for month in ("2026-11", "2026-12"):
        monkeypatch.setattr(spending, "utc_now", lambda month=month: f"{month}-01T00:00:00Z")
        reserved = ledger.reserve("augmentation/a", "small", 500_000)
    with pytest.raises(LimitSpentError) as caught:
        ledger.reserve("augmentation/a", "large", 300_000)
    assert (caught.value.required, caught.value.code) == ("at most $1.2000 in all", "budget-spent")
    assert caught.value.got == "$1.0000 spent, $0.3000 asked for"
    with pytest.raises(BudgetSpentError, match="monthly cap"):
        ledger.reserve("augmentation/a", "large", 600_000)
    ledger.settle(reserved, micro_usd=100, tokens_in=5, tokens_out=2)
    ledger.reserve("augmentation/a", "large", 300_000)
    ledger.reserve("augmentation/b", "large", 900_000)
    assert sum(row.micro_usd for row in ledger.month()) == 100 + 300_000 + 900_000
