"""The tables of augmentation, on both databases; and what the card says of what is in them."""

import pytest

from assay.datasets.augmentation.receipts import purpose_of, receipt_of, receipts_behind
from assay.schema.errors import NotFoundError
from assay.schema.example import Example
from assay.schema.ids import utc_now
from assay.schema.receipt import Generator, KindReceipt, Receipt
from assay.schema.reservation import Reservation
from assay.store import augmentations, criteria, spending
from assay.store.augmentations import AugmentationRecord, Decision, Derivative
from assay.validation.card import synthetic_words
from assay.validation.report import DatasetSummary

ID = "advice-augment-00000001"


@pytest.fixture
def record(criterion):
    return AugmentationRecord(
        id=ID,
        criterion=criterion.key,
        dataset="advice-data-00000000",
        kinds=("paraphrase", "flip"),
        per_kind=2,
        seed=0,
        good="no",
        bad="yes",
        generator=Generator(model="scribe", endpoint="http://127.0.0.1:1/v1", temperature=0.7),
        prompts={"flip": "0" * 64, "paraphrase": "1" * 64},
        created_at=utc_now(),
    )


def derivative(number, kind="flip", **changes):
    return Derivative(id=f"aug-{number}", kind=kind, position=number, label="yes", parents=("e1", "e2"), **changes)


def decided(kind, *, kept, agreed=10):
    return KindReceipt(
        kind=kind,
        label_source="teacher",
        prompt=f"{kind}.v1",
        prompt_digest="0" * 64,
        asked=12,
        made=11,
        unusable=1,
        copies=0,
        sampled=10,
        agreed=agreed,
        sample_digest="2" * 64,
        agreement={"share": {"value": agreed / 10, "low": 0.69, "high": 1.0, "n": 10.0}},
        look=1,
        confidence=0.95,
        floor=0.6,
        kept=kept,
    )


@pytest.fixture
def filled(database, criterion, record):
    with database.begin() as connection:
        criteria.record(connection, criterion)
        augmentations.add(connection, record, [derivative(n) for n in range(3)])
    return database


def test_the_same_again_changes_nothing_and_what_is_settled_stays(filled, record):
    made = derivative(1, state="made", example=Example(id="aug-1", output="a\ud800b"))
    with filled.begin() as connection:
        augmentations.settle(connection, made)
        augmentations.settle(connection, derivative(1, state="unusable", reason="late"))
        augmentations.settle(connection, derivative(2, state="unusable", reason="the answer is no JSON"))
        augmentations.add(connection, record, [derivative(n) for n in range(4)])
    with filled.read() as connection:
        assert augmentations.get(connection, ID) == record
        found = {one.id: one for one in augmentations.derivatives_of(connection, ID)}
    assert found["aug-0"] == derivative(0)
    assert found["aug-1"] == made
    assert (found["aug-2"].state, found["aug-2"].reason) == ("unusable", "the answer is no JSON")
    assert found["aug-3"].state == "open"


def test_copies_and_samples_are_marked(filled):
    with filled.begin() as connection:
        for number in (0, 1):
            example = Example(id=f"aug-{number}", output=f"text {number}")
            augmentations.settle(connection, derivative(number, state="made", example=example))
        augmentations.mark_copies(connection, {"aug-0": "a copy of e1", "aug-2": "a copy of e1"})
        augmentations.mark_drawn(connection, ["aug-1"], 1)
        found = {one.id: (one.state, one.draw) for one in augmentations.derivatives_of(connection, ID)}
    assert found == {"aug-0": ("copy", 0), "aug-1": ("made", 1), "aug-2": ("open", 0)}


def test_a_receipt_holds_the_newest_decisions_and_what_it_cost(filled, record):
    with filled.begin() as connection:
        for receipt in (
            decided("flip", kept=False, agreed=6),
            decided("flip", kept=True),
            decided("paraphrase", kept=False),
        ):
            one = Decision(augmentation=ID, receipt=receipt, decided_by="ada", created_at=utc_now())
            augmentations.decide(connection, one)
        for month in ("2026-10", "2026-11"):
            cost = Reservation(month=month, purpose=purpose_of(ID), model="scribe", micro_usd=250_000)
            spending.reserve(connection, cost, None)
        whole = receipt_of(connection, record)
        assert augmentations.kept(connection) == {(ID, "flip")}
        provenance = {"augmentation": {"receipt": ID, "kind": "flip", "parents": ["e1"]}}
        row = Example(id="x", output="y", source="synthetic", meta=provenance)
        behind = receipts_behind(connection, [row, Example(id="z", output="real")])
    assert [(one.kind, one.kept) for one in whole.kinds] == [("paraphrase", False), ("flip", True)]
    assert whole.usd == 0.5
    assert [(receipt.id, [one.kind for one in receipt.kinds]) for receipt in behind] == [(ID, ["flip"])]
    assert len(whole.digest) == 64
    assert whole.digest != behind[0].digest


def test_an_unknown_receipt_says_which_there_are(filled):
    with filled.read() as connection, pytest.raises(NotFoundError, match="no receipt 'nothing'") as error:
        augmentations.get(connection, "nothing")
    assert ID in error.value.required


def test_the_card_says_where_synthetic_rows_stand_and_what_experts_said(record):
    receipt = Receipt(
        id=ID,
        criterion=record.criterion,
        dataset=record.dataset,
        seed=0,
        generator=record.generator,
        usd=0.5,
        kinds=(decided("flip", kept=True),),
        created_at=record.created_at,
    )
    summary = {"id": "d", "digest": "0", "counts": {}, "deciding_sources": {}, "test_sources": {}, "agreement": {}}
    plain = DatasetSummary(**summary, waiver=None)
    assert synthetic_words(plain) == []
    augmented = DatasetSummary(**summary, waiver=None, receipts=(receipt,), synthetic={"train": 120})
    assert synthetic_words(augmented) == [
        "Synthetic rows: 120 in train.",
        f"Augmented by scribe (receipt {ID}); experts agreed with 10 of 10 flip (0.69–1.00).",
    ]
