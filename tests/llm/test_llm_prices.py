"""The table of prices, and a user's table before it."""

import pytest

from assay.llm.prices import Price, read_prices
from assay.schema.errors import InputError, NotFoundError


def test_a_dated_model_has_the_price_of_its_name():
    prices = read_prices()
    assert prices.version == 1
    assert prices.of("gpt-4o-mini-2024-07-18") == prices.of("gpt-4o-mini") == Price(input=0.15, output=0.60)
    assert prices.of("gpt-4o") != prices.of("gpt-4o-mini")


def test_every_price_is_above_zero():
    assert all(price.input > 0 and price.output > 0 for price in read_prices().models.values())


def test_the_users_table_comes_first(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text('version = 1\nas_of = "2026-11-01"\n[models]\n"gpt-4o" = { input = 9.0, output = 9.0 }\n')
    prices = read_prices(own)
    assert prices.of("gpt-4o") == Price(input=9.0, output=9.0)
    assert prices.of("gpt-4o-mini").input == 0.15


@pytest.mark.parametrize("text", ['version = 1\nas_of = "x"\n[models]\na = { input = "much" }', "models = 3"])
def test_a_table_that_is_none_is_refused(tmp_path, text):
    own = tmp_path / "prices.toml"
    own.write_text(text)
    with pytest.raises(InputError, match=r"prices\.toml"):
        read_prices(own)


def test_an_unknown_model_has_no_price():
    with pytest.raises(NotFoundError) as caught:
        read_prices().of("gpt-4o-huge")
    assert "input_usd" in caught.value.next_step
