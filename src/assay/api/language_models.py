"""The language models of a workspace: its endpoints, its prices, its ledger, and the rungs made of them."""

from assay.config import Settings
from assay.llm.client import LlmClient
from assay.llm.prices import Prices, read_prices
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
