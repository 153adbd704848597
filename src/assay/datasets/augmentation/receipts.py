"""Receipts: what an augmentation asked for, what it made, and what was decided, put together from the tables.

`kind_receipt(…)` is a decision on one kind, `receipt_of(connection, record)` all of it so far, `receipts_behind` the
receipts of a dataset's rows. Knows no SQL.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from assay.datasets.augmentation.acceptance import Agreed, chance_corrected, confidence_of, share_agreed
from assay.datasets.augmentation.kinds import KINDS
from assay.metrics.intervals import Estimate
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.ids import digest_json
from assay.schema.receipt import KindReceipt, Receipt, made_by
from assay.store import augmentations, spending
from assay.store.augmentations import AugmentationRecord, Derivative
from assay.store.database import Connection
from assay.store.spending import MICRO


def purpose_of(receipt: str) -> str:
    """What its calls are paid for as: the ledger then holds what this receipt has cost."""
    return f"augmentation/{receipt}"


def kind_receipt(
    record: AugmentationRecord,
    derivatives: Sequence[Derivative],
    found: Agreed,
    criterion: Criterion,
    *,
    look: int,
    floor: float,
) -> KindReceipt:
    """The decision on one kind, whose derivatives these are."""
    kind = KINDS[derivatives[0].kind]
    states = Counter(one.state for one in derivatives)
    share = share_agreed(found, look)
    ac1 = chance_corrected(found, criterion)
    sample = sorted(one.id for one in derivatives if one.draw)
    return KindReceipt(
        kind=kind.name,
        label_source=kind.label_source,
        prompt=f"{kind.name}.v1" if kind.asks else None,
        prompt_digest=record.prompts.get(kind.name),
        asked=len(derivatives),
        made=states["made"],
        unusable=states["unusable"],
        copies=states["copy"],
        sampled=found.sampled,
        agreed=found.agreed,
        sample_digest=digest_json([sample, sorted(found.pairs)]),
        agreement={"share": _plain(share)} | ({} if ac1 is None else {"gwet_ac1": _plain(ac1)}),
        look=look,
        confidence=confidence_of(look),
        floor=floor,
        kept=share.low >= floor,
    )


def receipt_of(connection: Connection, record: AugmentationRecord) -> Receipt:
    """All of an augmentation so far: of each kind the newest decision."""
    newest = {one.receipt.kind: one.receipt for one in augmentations.decisions_of(connection, record.id)}
    return Receipt(
        id=record.id,
        criterion=record.criterion,
        dataset=record.dataset,
        seed=record.seed,
        generator=record.generator,
        usd=spending.total(connection, purpose_of(record.id)) / MICRO,
        kinds=tuple(newest[kind] for kind in record.kinds if kind in newest),
        created_at=record.created_at,
    )


def receipts_behind(connection: Connection, examples: Iterable[Example]) -> tuple[Receipt, ...]:
    """The receipts of the augmented ones among these examples, by id; of each the kinds that are there."""
    found = {made for example in examples if (made := made_by(example)) is not None}
    receipts = []
    for id_ in sorted({receipt for receipt, _ in found}):
        whole = receipt_of(connection, augmentations.get(connection, id_))
        receipts.append(replace(whole, kinds=tuple(one for one in whole.kinds if (id_, one.kind) in found)))
    return tuple(receipts)


def _plain(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": float(estimate.n)}
