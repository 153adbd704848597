"""Which version answers: aliases, the canary's share, and what is refused."""

import pytest

from assay.schema.errors import InputError, NotFoundError
from assay.serving.routing import RoutingTable, position
from assay.serving.watching import ahead, usable

TABLE = RoutingTable(
    pointing={
        "advice": {"champion": "advice-aaaaaaaa", "canary": "advice-bbbbbbbb"},
        "tone": {"candidate": "tone-cccccccc"},
    }
)


def route(ref, share=0.0, key="k"):
    return TABLE.route(ref, key=key, canary_share=share)


def test_a_name_is_its_champion_or_for_a_share_of_the_keys_its_canary():
    assert (route("advice").version, route("advice").role) == ("advice-aaaaaaaa", "champion")
    assert (route("advice", 1.0).version, route("advice", 1.0).role) == ("advice-bbbbbbbb", "canary")


def test_who_names_a_version_or_an_alias_gets_it_whatever_the_share():
    assert route("advice@champion", 1.0).version == "advice-aaaaaaaa"
    assert route("advice-aaaaaaaa", 1.0).version == "advice-aaaaaaaa"
    assert (route("tone@candidate").version, route("tone@candidate").role) == ("tone-cccccccc", "asked")


def test_the_share_is_the_share_of_the_keys_and_a_larger_share_only_adds():
    keys = [str(number) for number in range(4000)]
    small = {key for key in keys if route("advice", 0.1, key).role == "canary"}
    large = {key for key in keys if route("advice", 0.3, key).role == "canary"}
    assert 320 < len(small) < 480  # 400 ± 4 standard deviations
    assert small < large
    assert position("advice", "k") != position("tone", "k")


def test_what_is_not_there_is_said_with_what_is():
    with pytest.raises(NotFoundError, match="no champion of tone") as refusal:
        route("tone")
    assert "tone@candidate" in refusal.value.required
    with pytest.raises(NotFoundError, match="no judge 'nobody'"):
        route("nobody")
    with pytest.raises(InputError, match="does not address a judge"):
        route("../advice")


def test_what_is_loaded_ahead():
    assert ahead({"candidate": "a-1"}) == {"a-1"}
    assert ahead({"candidate": "a-1", "champion": "a-2", "shadow": "a-3"}) == {"a-2", "a-3"}


def test_an_alias_whose_version_cannot_be_loaded_stays_where_it_was():
    wanted = {"champion": "a-2", "shadow": "a-3", "candidate": "a-3"}
    assert usable(wanted, {"champion": "a-1"}, {"a-2", "a-3"}) == {"champion": "a-1", "candidate": "a-3"}
    assert usable(wanted, {"champion": "a-1"}, set()) == wanted
