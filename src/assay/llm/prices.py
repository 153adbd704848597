"""Prices: what a call to a language model costs.

    prices = read_prices(Path("prices.toml"))          # the user's table before ours; None takes ours alone
    prices.of("gpt-4o-mini-2024-07-18").usd(tokens_in=900, tokens_out=1)

A model that no table knows has no price: a cap on spending cannot be kept for it, so it is refused there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assay.schema.errors import NotFoundError, shown
from assay.schema.records import read_toml, record_from

_OURS = Path(__file__).with_name("prices.toml")
_DATED = re.compile(r"(.+?)-(\d{4}-\d{2}-\d{2}|\d{8})")  # gpt-4o-mini-2024-07-18
_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars a million tokens."""

    input: float
    output: float

    def usd(self, *, tokens_in: int, tokens_out: int) -> float:
        """The cost of one call.

        >>> round(Price(input=0.15, output=0.60).usd(tokens_in=1000, tokens_out=10), 6)
        0.000156
        """
        return (self.input * tokens_in + self.output * tokens_out) / _MILLION


@dataclass(frozen=True, kw_only=True)
class Prices:
    """A table of prices. `version` is the form of the file, `as_of` the day on which the prices were looked up."""

    version: int
    as_of: str
    models: Mapping[str, Price] = field(default_factory=dict)

    def of(self, model: str) -> Price:
        """The price of a model, of a dated one that of its name. Raises NotFoundError."""
        dated = _DATED.fullmatch(model)
        found = self.models.get(model) or (self.models.get(dated[1]) if dated else None)
        if found is None:
            raise NotFoundError(
                f"The price of the model {shown(model)} is not known, so no cap on spending can be kept.",
                required="a price in US dollars a million tokens",
                next_step="name it in assay.toml: [llm.NAME] input_usd = 0.0 and output_usd = 0.0, or a file with "
                '[spending] prices = "prices.toml"',
            )
        return found


def read_prices(override: Path | None = None) -> Prices:
    """The table that comes with Assay, with the user's entries before ours. Raises NotFoundError, InputError."""
    ours = record_from(Prices, read_toml(_OURS), where=_OURS.name)
    if override is None:
        return ours
    theirs = record_from(Prices, read_toml(override), where=str(override))
    return Prices(version=ours.version, as_of=theirs.as_of, models={**ours.models, **theirs.models})
