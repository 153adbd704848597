"""Ids and times that sort, digests that do not move."""

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.schema.ids import (
    canonical_json,
    digest_bytes,
    digest_file,
    digest_files,
    digest_json,
    new_id,
    short,
    utc_now,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_ids_sort_by_time_and_differ():
    ids = []
    for _ in range(5):
        ids.append(new_id("imp"))
        time.sleep(0.002)
    assert ids == sorted(ids)
    many = [new_id("imp") for _ in range(1000)]
    assert len(set(many)) == 1000
    assert all(len(id_) == len("imp_") + 26 and id_.startswith("imp_") for id_ in many)


def test_times_are_utc_texts_that_sort():
    first, second = utc_now(), utc_now()
    assert first <= second
    assert first.endswith("+00:00")
    assert len(first) == len("2026-01-01T00:00:00.000000+00:00")


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_equal_values_have_one_text_whatever_their_order(value):
    backwards = dict(reversed(value.items()))
    assert canonical_json(backwards) == canonical_json(value)
    assert digest_json(backwards) == digest_json(value)


def test_digests_are_the_known_ones():
    assert digest_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'
    assert digest_json({"a": "é"}) == hashlib.sha256('{"a":"é"}'.encode()).hexdigest()
    assert short("3f2a91c0ffee") == "3f2a91c0"


def test_a_lone_surrogate_has_a_digest():
    assert digest_json("\ud800") != digest_json("\ud801")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_does_not_have_is_refused(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": value})


def test_files_are_digested_whole(tmp_path):
    data = bytes(range(256)) * 9000  # more than one read
    path = tmp_path / "weights"
    path.write_bytes(data)
    assert digest_file(path) == hashlib.sha256(data).hexdigest()
    assert digest_files({"w": path}) == {"w": digest_bytes(data)}
