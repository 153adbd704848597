"""Synthetic rows at the freeze: in train or nowhere, unless it is waived."""

from dataclasses import replace

import pytest

from assay.datasets.freezing import freeze
from assay.datasets.frozen_rows import load_rows
from assay.datasets.minimums import FreezeSettings
from assay.schema.dataset import Waiver
from assay.schema.errors import RefusedError
from assay.schema.ids import digest_json, utc_now
from assay.schema.receipt import KindReceipt
from assay.store import augmentations, criteria
from assay.store.augmentations import AugmentationRecord, Decision

SMALL = FreezeSettings(min_test_per_class=3)
RECEIPT = "advice-augment-00000001"


@pytest.fixture
def rows(make_row):
    """50 rows of each class, in groups of two."""
    return [make_row(number, "yes" if number // 2 % 2 else "no", group=f"g{number // 2}") for number in range(100)]


@pytest.fixture
def put(sqlite, fill):
    """Put labelled rows into the store."""
    return lambda rows: fill(sqlite, rows)


@pytest.fixture
def frozen(sqlite, blobs, criterion):
    """Freeze; the dataset and its rows by id."""

    def make(settings=SMALL):
        version = freeze(sqlite, blobs, criterion, settings)
        return version, {row.example.id: row for row in load_rows(blobs, version)}

    return make


@pytest.fixture
def keep(sqlite, criterion):
    """Record a receipt whose kind was kept, or refused."""

    def record(*, kept=True, kind="flip"):
        asked = AugmentationRecord(
            id=RECEIPT,
            criterion=criterion.key,
            dataset="advice-data-00000000",
            kinds=(kind,),
            per_kind=10,
            seed=0,
            good=None,
            bad=None,
            generator=None,
            prompts={},
            created_at=utc_now(),
        )
        decided = KindReceipt(
            kind=kind,
            label_source="teacher",
            prompt=f"{kind}.v1",
            prompt_digest="0" * 64,
            asked=10,
            made=10,
            unusable=0,
            copies=0,
            sampled=10,
            agreed=10,
            sample_digest="0" * 64,
            agreement={"share": {"value": 1.0, "low": 0.69, "high": 1.0, "n": 10.0}},
            look=1,
            confidence=0.95,
            floor=0.6,
            kept=kept,
        )
        with sqlite.begin() as connection:
            criteria.record(connection, criterion)
            augmentations.add(connection, asked, [])
            decision = Decision(augmentation=RECEIPT, receipt=decided, decided_by="ada", created_at=utc_now())
            augmentations.decide(connection, decision)

    return record


@pytest.fixture
def child_of(make_row):
    """An augmented row made from others."""

    def make(number, *parents, value="no", kind="flip", source="teacher", **changes):
        provenance = {"receipt": RECEIPT, "kind": kind, "parents": [parent.id for parent in parents]}
        given = {"group": parents[0].group, "meta": {"augmentation": provenance}, **changes}
        example, labels = make_row(number, value, source, **given)
        return replace(example, source="synthetic"), labels

    return make


def splits_of(rows):
    return {id_: row.split for id_, row in rows.items()}


def test_derivatives_stand_in_train_and_move_no_real_row(frozen, put, rows, keep, child_of):
    put(rows)
    before, old = frozen()
    splits = splits_of(old)
    keep()
    put([child_of(1000 + number, example) for number, (example, _) in enumerate(rows)])
    after, new = frozen()
    found = splits_of(new)
    assert {id_: split for id_, split in found.items() if id_ in splits} == splits
    made = {id_: split for id_, split in found.items() if id_ not in splits}
    train = sum(split == "train" for split in splits.values())
    assert len(made) == train
    assert set(made.values()) == {"train"}
    assert after.synthetic == {"train": train}
    assert after.dropped["synthetic, belongs with a row held out, or its parent is gone"] == 100 - train
    assert after.agreement == before.agreement
    assert [receipt.id for receipt in after.receipts] == [RECEIPT]
    assert before.receipts == ()
    for number, (example, _) in enumerate(rows):
        if splits[example.id] == "train":
            assert new[f"e{1000 + number:05}"].component == new[example.id].component


@pytest.mark.parametrize("kept", [False, None])
def test_what_is_refused_or_not_yet_decided_stays_out(frozen, put, rows, keep, child_of, kept):
    put(rows)
    plain, _ = frozen()
    if kept is not None:
        keep(kept=kept)
    put([child_of(1000, rows[0][0], source="expert")])
    assert frozen()[0] == plain
    dropped = frozen(replace(SMALL, seed=5))[0].dropped
    assert {reason: count for reason, count in dropped.items() if count} == {
        "synthetic, of a kind that no receipt keeps": 1
    }


def test_no_text_of_a_row_held_out_comes_back_through_train(frozen, put, rows, keep, child_of):
    put(rows)
    _, old = frozen()
    parent = next(row.example for row in old.values() if row.split == "train")
    held = next(row.example for row in old.values() if row.split == "test")
    keep()
    put(
        [
            child_of(1001, parent, output=f"{held.output}."),  # nearly a test row
            child_of(1002, parent, held),  # half of it is a test row
            child_of(1003, parent, output=held.output),  # a test row
            child_of(1004, replace(parent, id="gone")),
            child_of(1005, parent),
        ]
    )
    after, new = frozen()
    assert [id_ for id_ in new if id_ not in old] == ["e01005"]
    assert after.dropped["synthetic, a copy of another row"] == 1
    assert after.dropped["synthetic, belongs with a row held out, or its parent is gone"] == 3


def test_with_another_seed_only_children_of_train_rows_come_along(frozen, put, rows, keep, child_of):
    put(rows)
    keep()
    parents = [row.example for row in frozen()[1].values() if row.split == "train"]
    put([child_of(1000 + number, parent) for number, parent in enumerate(parents)])
    other = splits_of(frozen(replace(SMALL, seed=3))[1])
    for number, parent in enumerate(parents):
        assert other.get(f"e{1000 + number:05}") == ("train" if other[parent.id] == "train" else None)
    assert {other[parent.id] for parent in parents} > {"train"}


def test_a_parent_without_a_group_ties_its_children_in_every_split(frozen, put, keep, make_row, child_of):
    rows = [make_row(number, "yes" if number % 2 else "no") for number in range(100)]
    keep()
    put([*rows, *(child_of(1000 + number, example, group=example.id) for number, (example, _) in enumerate(rows))])
    version, found = frozen(replace(SMALL, accept_synthetic="all", accept_labels=("teacher",)))
    splits = splits_of(found)
    assert all(splits[f"e{1000 + number:05}"] == splits[f"e{number:05}"] for number in range(100))
    assert version.waiver == Waiver(accept_labels=("expert", "teacher"), min_test_per_class=3, synthetic="all")
    assert version.synthetic["test"] > 0


def test_imported_synthetic_rows_stand_in_train_alone(frozen, put, rows, make_row):
    made = [make_row(2000 + number, "yes", source="author") for number in range(30)]
    put([*rows, *((replace(example, source="synthetic"), labels) for example, labels in made)])
    version, _ = frozen()
    assert version.synthetic == {"train": 30}
    assert version.receipts == ()


def test_synthetic_rows_alone_are_refused_with_the_waiver(frozen, put, rows, blobs):
    put([(replace(example, source="synthetic"), labels) for example, labels in rows])
    with pytest.raises(RefusedError, match="All labelled rows are synthetic") as refusal:
        frozen()
    assert refusal.value.next_step.endswith("assay data freeze advice --accept-synthetic imported")
    assert not blobs.root.exists()
    version, _ = frozen(replace(SMALL, accept_synthetic="imported"))
    assert sum(version.synthetic.values()) == 100


def test_a_waiver_for_imported_rows_is_none_for_augmented_ones(frozen, put, rows, keep, child_of):
    put([(replace(example, source="synthetic"), labels) for example, labels in rows])
    settings = replace(SMALL, accept_synthetic="imported")
    _, old = frozen(settings)
    keep()
    put([child_of(1000 + number, example) for number, (example, _) in enumerate(rows)])
    _, new = frozen(settings)
    assert {id_: row.split for id_, row in new.items() if id_ in old} == splits_of(old)
    assert {row.split for id_, row in new.items() if id_ not in old} == {"train"}


def test_the_waiver_is_part_of_the_digest_only_where_it_is_given(frozen, put, rows):
    put(rows)
    first, _ = frozen()
    other, _ = frozen(replace(SMALL, accept_synthetic="imported"))
    assert first.rows_blob == other.rows_blob
    assert first.digest != other.digest
    recipe = {
        "rows": first.rows_blob,
        "criterion": first.criterion.digest,
        "settings": first.settings,
        "seed": 0,
        "waiver": {"accept_labels": ["expert"], "min_test_per_class": 3},  # as before synthetic rows could be waived
    }
    assert first.digest == digest_json(recipe)
