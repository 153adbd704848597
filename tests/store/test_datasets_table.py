"""The table of dataset versions."""

from dataclasses import replace

import pytest

from assay.schema.dataset import DatasetVersion, Waiver
from assay.schema.errors import ConflictError, NotFoundError
from assay.store import criteria, datasets


@pytest.fixture
def dataset(make_criterion):
    return DatasetVersion(
        id="advice-data-3f2a91c0",
        digest="3f2a91c0" + "0" * 56,
        criterion=make_criterion(),
        rows_blob="b" * 64,
        seed=0,
        counts={"train": {"yes": 3, "no": 4}},
        deciding_sources={"train": {"author": 7}},
        agreement={"alpha": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 7}},
        settings={"shares": [0.6, 0.1, 0.1, 0.2]},
        dropped={"exact duplicate": 1},
        waiver=Waiver(accept_labels=("author",), min_test_per_class=10),
        created_at="2026-01-01T00:00:00.000000+00:00",
    )


def test_a_dataset_comes_back_and_its_criterion_is_bound(database, dataset, make_criterion):
    with database.begin() as connection:
        datasets.add(connection, dataset)
        datasets.add(connection, replace(dataset, created_at="2027-01-01T00:00:00.000000+00:00"))
    with database.read() as connection:
        assert datasets.get(connection, dataset.id) == dataset
        assert datasets.every(connection) == (dataset,)
        assert criteria.get(connection, "advice/1") == make_criterion()


def test_latest_is_what_was_frozen_last(database, dataset):
    newer = replace(dataset, id="advice-data-00000000", digest="0" * 64)
    with database.begin() as connection:
        datasets.add(connection, dataset)
        datasets.add(connection, newer)
    with database.read() as connection:
        assert datasets.latest(connection, "advice") == newer
        assert datasets.latest(connection, "absent") is None


def test_one_id_never_names_two_datasets(database, dataset):
    with database.begin() as connection:
        datasets.add(connection, dataset)
    with pytest.raises(ConflictError, match="exists with other rows"), database.begin() as connection:
        datasets.add(connection, replace(dataset, digest="3f2a91c0" + "1" * 56))


def test_an_unknown_dataset_says_what_to_do(database, dataset):
    with database.begin() as connection:
        datasets.add(connection, dataset)
    with database.read() as connection, pytest.raises(NotFoundError, match="'advice-data-1'") as refusal:
        datasets.get(connection, "advice-data-1")
    assert dataset.id in refusal.value.required
    assert refusal.value.next_step == "freeze one: assay data freeze"
