"""The language models of a workspace: its endpoints, its prices, its ledger, and the rungs made of them."""

from assay.config import Settings
from assay.llm.client import LlmClient
from assay.llm.paying import PaidClient
from assay.llm.prices import Prices, read_prices
from assay.schema.errors import NotFoundError, shown
from assay.serving.rungs import Rungs
from assay.store.database import Database
from assay.store.spending import Caps, Ledger


def ledger_of(database: Database, settings: Settings) -> Ledger:
    """The spending ledger under the caps of assay.toml."""
    spending = settings.spending
    return Ledger(database, Caps(each_purpose=spending.each_purpose_usd, by_purpose=spending.caps))


def prices_of(settings: Settings) -> Prices:
    """The table of prices, with the workspace's own before it. Raises NotFoundError, InputError."""
    own = settings.spending.prices
    return read_prices(None if own is None else settings.root / own)


def rungs_of(database: Database, settings: Settings) -> Rungs:
    """What the fallback chains and escalators of this workspace are made from. Raises NotFoundError, InputError."""
    clients = {name: LlmClient(endpoint) for name, endpoint in settings.endpoints.items()}
    return Rungs(clients=clients, prices=prices_of(settings), spending=ledger_of(database, settings))


def paid_client(database: Database, settings: Settings, endpoint: str, purpose: str) -> PaidClient:
    """A client of one endpoint whose calls are paid for by `purpose`. Raises NotFoundError, InputError (prices)."""
    if endpoint not in settings.endpoints:
        raise NotFoundError(
            f"assay.toml has no endpoint {shown(endpoint)}.",
            required=f"one of {sorted(settings.endpoints)}" if settings.endpoints else "a table [llm.NAME]",
            next_step=f'add [llm.{endpoint}] with base_url = "…" and model = "…" to assay.toml',
        )
    client = LlmClient(settings.endpoints[endpoint])
    return PaidClient(client, prices_of(settings), ledger_of(database, settings), purpose)
