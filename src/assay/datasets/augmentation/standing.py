"""Standing: how an augmentation stands, kind by kind; what `show` and `accept` tell.

`standing_of(connection, record, criterion)` reads it. A kind is being made, waits for experts, or is decided: kept, or
refused with how many more answers could pass.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.datasets.augmentation.acceptance import Agreed, answers_needed
from assay.datasets.augmentation.receipts import receipt_of
from assay.datasets.consensus import target_of
from assay.schema.errors import NotFoundError, RefusedError
from assay.schema.label import Target
from assay.schema.receipt import KindReceipt, Receipt
from assay.store import augmentations, examples
from assay.store.augmentations import AugmentationRecord, Derivative
from assay.store.database import Connection
from assay.store.labelling import queues


@dataclass(frozen=True, kw_only=True)
class KindStanding:
    """One kind. `set_aside` is reason → derivatives; `left` counts the made ones that no sample has taken.

    `decided` is the newest decision, None before the first. `needed` tells how many more answers could pass, if all
    agree and if they agree as often as until now; None unless it was refused.
    """

    kind: str
    asked: int
    open: int
    made: int
    set_aside: Mapping[str, int]
    found: Agreed
    left: int
    looks: int
    decided: KindReceipt | None
    needed: tuple[int | None, int | None] | None

    @property
    def undecided(self) -> bool:
        """Whether its sample grew, or was never decided on."""
        return self.found.sampled > 0 and (self.decided is None or self.decided.sampled != self.found.sampled)

    @property
    def kept(self) -> bool:
        """Whether its rows may enter a dataset."""
        return self.decided is not None and self.decided.kept

    @property
    def may_be_drawn(self) -> bool:
        """Whether it may have a first sample, or a larger one after a refusal."""
        return self.left > 0 and not self.kept and not self.undecided


@dataclass(frozen=True, kw_only=True)
class Standing:
    """All of it. `samples` are the queues of the samples, oldest first."""

    record: AugmentationRecord
    receipt: Receipt
    kinds: tuple[KindStanding, ...]
    samples: tuple[str, ...]


def sample_queue(receipt: str, draw: int) -> str:
    """The name of the queue of a sample."""
    return f"{receipt}-sample-{draw}"


def standing_of(connection: Connection, record: AugmentationRecord) -> Standing:
    """How an augmentation stands."""
    every = augmentations.derivatives_of(connection, record.id)
    draws = sorted({one.draw for one in every if one.draw})
    targets = _targets(connection, record, {one.id for one in every if one.draw})
    closed = {draw for draw in draws if _is_closed(connection, sample_queue(record.id, draw))}
    receipt = receipt_of(connection, record)
    newest = {one.kind: one for one in receipt.kinds}
    kinds = [
        _of_kind(name, [one for one in every if one.kind == name], targets, closed, newest.get(name))
        for name in record.kinds
    ]
    samples = tuple(sample_queue(record.id, draw) for draw in draws)
    return Standing(record=record, receipt=receipt, kinds=tuple(kinds), samples=samples)


def nothing_to_draw(standing: Standing) -> RefusedError:
    """No sample can be drawn."""
    return RefusedError(
        f"No sample of {standing.record.id} can be drawn.",
        required="a kind that was made and has no sample, or was refused and has texts left",
        got=", ".join(f"{one.kind}: {one.made:,} made, {one.left:,} left" for one in standing.kinds),
        next_step=f"assay data augment show {standing.record.id}",
    )


def nothing_to_decide(standing: Standing) -> RefusedError:
    """No kind's sample is answered."""
    if not standing.samples:
        return RefusedError(
            f"No kind of {standing.record.id} can be decided yet.",
            required="a sample that experts have answered",
            got="no sample has been drawn",
            next_step=f"assay data augment sample {standing.record.id}",
        )
    pending = [f"{one.kind}: {one.found.pending:,} of {one.found.sampled:,} not answered" for one in standing.kinds]
    return RefusedError(
        f"No kind of {standing.record.id} can be decided yet.",
        required="experts' answers to a kind's whole sample",
        got=", ".join(pending),
        next_step=f"assay label serve (queue {standing.samples[-1]}); where that is all that experts will answer, "
        f"assay label queue close {standing.samples[-1]}: what is not answered then counts against",
    )


def _of_kind(
    name: str,
    mine: Sequence[Derivative],
    targets: Mapping[str, Target | None],
    closed: set[int],
    decided: KindReceipt | None,
) -> KindStanding:
    states = Counter(one.state for one in mine)
    found = Agreed.of([one for one in mine if one.draw], targets, closed)
    refused = decided is not None and not decided.kept and decided.sampled == found.sampled
    return KindStanding(
        kind=name,
        asked=len(mine),
        open=states["open"],
        made=states["made"],
        set_aside=dict(Counter(one.reason or "" for one in mine if one.state in ("unusable", "copy")).most_common()),
        found=found,
        left=sum(one.state == "made" and not one.draw for one in mine),
        looks=len({one.draw for one in mine if one.draw}),
        decided=decided,
        needed=answers_needed(found, decided.floor, decided.look) if refused and decided is not None else None,
    )


def _targets(connection: Connection, record: AugmentationRecord, ids: set[str]) -> dict[str, Target | None]:
    """What experts answered, by example; None where they are tied."""
    found: dict[str, Target | None] = {}
    if not ids:
        return found
    for example, labels in examples.iter_labelled(connection, record.criterion):
        experts = [label for label in labels if label.source == "expert"]
        if example.id in ids and experts:
            found[example.id] = target_of(experts)
    return found


def _is_closed(connection: Connection, queue: str) -> bool:
    try:
        return queues.get(connection, queue).closed_at is not None
    except NotFoundError:  # killed before the queue was there: `sample` makes it
        return False
