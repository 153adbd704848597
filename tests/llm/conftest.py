"""A ledger in a database of its own, and clients of recorded endpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.llm.client import LlmClient
from assay.llm.endpoint import Endpoint
from assay.llm.paying import PaidClient
from assay.llm.prices import Price, read_prices
from assay.llm.recorded_endpoint import RecordedEndpoint
from assay.store.database import open_database
from assay.store.spending import Caps, Ledger

PRICE = Price(input=1.0, output=2.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    database = open_database(f"sqlite:///{tmp_path / 'spending.db'}")
    yield lambda caps=None: Ledger(database, caps or Caps())
    database.close()


@pytest.fixture
def client_of() -> Callable[..., LlmClient]:
    def make(endpoint: RecordedEndpoint | str, **changes: Any) -> LlmClient:
        address = endpoint if isinstance(endpoint, str) else endpoint.base_url
        given = {"name": "here", "model": "small", "timeout_s": 5.0, "max_retries": 0, "price": PRICE}
        return LlmClient(Endpoint(base_url=address, **{**given, **changes}))

    return make


@pytest.fixture
def paid(ledger: Any, client_of: Callable[..., LlmClient]) -> Callable[..., PaidClient]:
    def make(endpoint: RecordedEndpoint | str, caps: Caps | None = None, **changes: Any) -> PaidClient:
        return PaidClient(client_of(endpoint, **changes), read_prices(), ledger(caps), "escalation/advice")

    return make
