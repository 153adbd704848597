"""The tables of augmentations, of the derivatives they make, and of the decisions to keep them.

An augmentation's record is written once. A derivative is written before it is made, then settled once: a run that is
killed finds what was made and what is still open. Decisions are append-only.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from assay.schema.errors import NotFoundError, shown
from assay.schema.example import Example
from assay.schema.ids import utc_now
from assay.schema.receipt import Generator, KindReceipt
from assay.store import criteria
from assay.store.tables import (
    KEY,
    check_key,
    from_text,
    in_batches,
    insert_new,
    metadata,
    record_column,
    sequence_column,
    time_column,
    to_text,
)

State: TypeAlias = Literal["open", "made", "unusable", "copy"]

augmentations = Table(
    "augmentations",
    metadata,
    sequence_column(),
    Column("id", KEY, nullable=False, unique=True),
    Column("criterion_key", KEY, ForeignKey(criteria.criteria.c.key), nullable=False, index=True),
    record_column(),
    time_column("created_at"),
)

derivatives = Table(
    "derivatives",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("augmentation", KEY, ForeignKey(augmentations.c.id), nullable=False),
    Column("kind", KEY, nullable=False),
    Column("position", Integer, nullable=False),
    Column("label", KEY, nullable=False),
    Column("parents", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=True),
    Column("draw", Integer, nullable=False),
    Column("example", Text, nullable=True),
    time_column("changed_at"),
    Index("ix_derivatives_augmentation", "augmentation", "kind", "position"),
)

augmentation_decisions = Table(
    "augmentation_decisions",
    metadata,
    sequence_column(),
    Column("augmentation", KEY, ForeignKey(augmentations.c.id), nullable=False, index=True),
    Column("kind", KEY, nullable=False),
    Column("kept", Boolean, nullable=False),
    record_column(),
    Column("decided_by", KEY, nullable=False),
    time_column("created_at"),
)


@dataclass(frozen=True, kw_only=True)
class AugmentationRecord:
    """What was asked for; never changed. `prompts` is kind → digest of its prompt; `good` and `bad` are the labels
    between which answers are spoilt.
    """

    id: str
    criterion: str  # its key
    dataset: str
    kinds: tuple[str, ...]
    per_kind: int
    seed: int
    good: str | None
    bad: str | None
    generator: Generator | None
    prompts: Mapping[str, str]
    created_at: str


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """A text made, or to be made, from others: `label` is the one it is made for, `id` the example's that it becomes.

    `state` is open until it is made (`example`), set aside as unusable or as a copy of another (`reason`). `draw` tells
    which sample took it, 0 none.
    """

    id: str
    kind: str
    position: int
    label: str
    parents: tuple[str, ...]
    state: State = "open"
    reason: str | None = None
    draw: int = 0
    example: Example | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A decision on one kind of an augmentation."""

    augmentation: str
    receipt: KindReceipt
    decided_by: str
    created_at: str


def add(connection: Connection, record: AugmentationRecord, planned: Sequence[Derivative]) -> None:
    """Record an augmentation with its open derivatives; the same again changes nothing."""
    row = {"id": check_key(record.id, "An augmentation's id"), "criterion_key": record.criterion}
    row |= {"record": to_text(record), "created_at": record.created_at}
    insert_new(connection, augmentations, [row])
    for batch in in_batches(planned):
        insert_new(connection, derivatives, [_row(record.id, one) for one in batch])


def get(connection: Connection, augmentation: str) -> AugmentationRecord:
    """An augmentation by its id. Raises NotFoundError."""
    text = connection.scalar(select(augmentations.c.record).where(augmentations.c.id == augmentation))
    if text is None:
        newest = select(augmentations.c.id).order_by(augmentations.c.sequence.desc()).limit(5)
        ids = list(connection.scalars(newest))
        raise NotFoundError(
            f"There is no receipt {shown(augmentation)}.",
            required=f"an augmentation's, such as {', '.join(ids)}" if ids else "",
            next_step="assay data augment list",
        )
    return from_text(AugmentationRecord, text, where=f"augmentation {augmentation}")


def every(connection: Connection) -> tuple[AugmentationRecord, ...]:
    """All augmentations, oldest first."""
    rows = connection.scalars(select(augmentations.c.record).order_by(augmentations.c.sequence))
    return tuple(from_text(AugmentationRecord, text, where="an augmentation of the database") for text in rows)


def derivatives_of(connection: Connection, augmentation: str) -> tuple[Derivative, ...]:
    """All derivatives of an augmentation, by kind and position."""
    mine = select(derivatives).where(derivatives.c.augmentation == augmentation)
    rows = connection.execute(mine.order_by(derivatives.c.kind, derivatives.c.position)).mappings()
    return tuple(_derivative(row) for row in rows)


def settle(connection: Connection, settled: Derivative) -> None:
    """Keep what became of an open derivative; one that is settled stays as it is."""
    still_open = (derivatives.c.id == settled.id) & (derivatives.c.state == "open")
    example = None if settled.example is None else to_text(settled.example)
    now = {"state": settled.state, "reason": settled.reason, "example": example, "changed_at": utc_now()}
    connection.execute(update(derivatives).where(still_open).values(now))


def mark_copies(connection: Connection, reasons: Mapping[str, str]) -> None:
    """Set made derivatives aside as copies: id → of what."""
    for id_, reason in reasons.items():
        here = update(derivatives).where(derivatives.c.id == id_, derivatives.c.state == "made")
        connection.execute(here.values(state="copy", reason=reason, changed_at=utc_now()))


def mark_drawn(connection: Connection, ids: Collection[str], draw: int) -> None:
    """These derivatives are in the sample of this number."""
    for batch in in_batches(ids):
        here = update(derivatives).where(derivatives.c.id.in_(batch))
        connection.execute(here.values(draw=draw, changed_at=utc_now()))


def decide(connection: Connection, decision: Decision) -> None:
    """Record a decision."""
    row = {"augmentation": decision.augmentation, "kind": decision.receipt.kind, "kept": decision.receipt.kept}
    row |= {"record": to_text(decision.receipt), "decided_by": check_key(decision.decided_by, "A person's name")}
    connection.execute(insert(augmentation_decisions).values(**row, created_at=decision.created_at))


def decisions_of(connection: Connection, augmentation: str) -> tuple[Decision, ...]:
    """All decisions on an augmentation, oldest first."""
    mine = select(augmentation_decisions).where(augmentation_decisions.c.augmentation == augmentation)
    rows = connection.execute(mine.order_by(augmentation_decisions.c.sequence)).mappings()
    return tuple(
        Decision(
            augmentation=row["augmentation"],
            receipt=from_text(KindReceipt, row["record"], where=f"a decision on {augmentation}"),
            decided_by=row["decided_by"],
            created_at=row["created_at"],
        )
        for row in rows
    )


def kept(connection: Connection) -> set[tuple[str, str]]:
    """The kinds that were kept, each with its augmentation."""
    columns = (augmentation_decisions.c.augmentation, augmentation_decisions.c.kind)
    rows = connection.execute(select(*columns).where(augmentation_decisions.c.kept))
    return {(augmentation, kind) for augmentation, kind in rows}


def _row(augmentation: str, one: Derivative) -> dict[str, object]:
    return {
        "id": check_key(one.id, "A derivative's id"),
        "augmentation": augmentation,
        "kind": one.kind,
        "position": one.position,
        "label": one.label,
        "parents": json.dumps(one.parents),
        "state": one.state,
        "reason": one.reason,
        "draw": one.draw,
        "example": None if one.example is None else to_text(one.example),
        "changed_at": utc_now(),
    }


def _derivative(row: RowMapping) -> Derivative:
    text = row["example"]
    return Derivative(
        id=row["id"],
        kind=row["kind"],
        position=row["position"],
        label=row["label"],
        parents=tuple(json.loads(row["parents"])),
        state=row["state"],
        reason=row["reason"],
        draw=row["draw"],
        example=None if text is None else from_text(Example, text, where=f"derivative {row['id']}"),
    )
