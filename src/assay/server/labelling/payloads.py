"""What goes over the wire: requests as pydantic models, answers as plain values.

A labeller is sent the fields of the example and the criterion's words: no meta, no score, no label of anybody else.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assay.labelling.adjudication import Dispute, Docket
from assay.labelling.desk import Hand, HeldItem
from assay.schema.criterion import Criterion
from assay.schema.example import CONTENT_FIELDS, Example, field_text
from assay.schema.trace import ImagePart, text_of
from assay.store.labelling.answers import Answer, Highlight
from assay.store.labelling.people import Labeller
from assay.store.labelling.queues import Queue
from assay.store.labelling.work import Member

_KEY = Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9-]+$")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SignInRequest(_Strict):
    """A name and a secret."""

    name: str = Field(max_length=64)
    secret: str = Field(max_length=200)


class HighlightGiven(_Strict):
    """A marked span, in Unicode code points."""

    field: str
    start: int
    end: int
    turn: int | None = None


class AnswerRequest(_Strict):
    """A label, a skip, an undo or a decision. `have`: positions whose content the page has."""

    key: str = _KEY
    position: int = Field(ge=0)
    kind: Literal["label", "skip", "undo", "adjudicate"]
    value: str | None = None
    note: str = ""
    highlights: tuple[HighlightGiven, ...] = ()
    took_s: float = Field(default=0.0, allow_inf_nan=False)
    have: tuple[int, ...] = ()

    def answer(self, queue: str) -> Answer:
        """As the desk takes it."""
        return Answer(
            key=self.key,
            queue=queue,
            position=self.position,
            kind=self.kind,
            value=self.value if self.kind in ("label", "adjudicate") else None,
            note=self.note,
            highlights=tuple(Highlight(**mark.model_dump()) for mark in self.highlights),
            took_s=self.took_s,
        )


class KeyRequest(_Strict):
    """The key alone."""

    key: str = _KEY


def labeller_view(labeller: Labeller) -> dict[str, Any]:
    """Who is signed in."""
    return {"name": labeller.name, "source": labeller.source, "adjudicates": labeller.adjudicates}


def criterion_view(criterion: Criterion) -> dict[str, Any]:
    """The question, its answers and when to give them."""
    return {
        "key": criterion.key,
        "question": criterion.question,
        "description": criterion.description,
        "kind": criterion.scale.kind,
        "levels": [{"label": level.label, "guidance": level.guidance.strip()} for level in criterion.scale.levels],
    }


def queue_view(queue: Queue, mine: Member) -> dict[str, Any]:
    """How far a queue is, and how far one is in it."""
    return {
        "name": queue.record.name,
        "size": queue.record.size,
        "finished": queue.finished,
        "disputed": queue.disputed,
        "expired": queue.expired,
        "closed": queue.closed_at is not None,
        "mine": {"labelled": mine.labelled, "skipped": mine.skipped, "seconds": round(mine.seconds, 1)},
    }


def hand_view(hand: Hand, criterion: Criterion) -> dict[str, Any]:
    """What a labeller has before them."""
    return {
        "queue": queue_view(hand.queue, hand.mine),
        "positions": list(hand.positions),
        "items": [_item_view(item, criterion) for item in hand.items],
    }


def docket_view(docket: Docket, criterion: Criterion) -> dict[str, Any]:
    """The next dispute."""
    found = docket.dispute
    return {
        "queue": {"name": docket.queue.record.name, "disputed": docket.queue.disputed},
        "dispute": None if found is None else _dispute_view(found, criterion),
    }


def _item_view(item: HeldItem, criterion: Criterion) -> dict[str, Any]:
    return {
        "position": item.position,
        "fields": fields_view(item.example, criterion),
        "previous": None if item.previous is None else _answer_view(item.previous),
        "hint": item.hint,
    }


def _dispute_view(dispute: Dispute, criterion: Criterion) -> dict[str, Any]:
    return {
        "position": dispute.position,
        "fields": fields_view(dispute.example, criterion),
        "opinions": [{"who": one.who, "mine": one.mine, **_answer_view(one.answer)} for one in dispute.opinions],
    }


def _answer_view(answer: Answer) -> dict[str, Any]:
    marks = [
        {"field": mark.field, "turn": mark.turn, "start": mark.start, "end": mark.end} for mark in answer.highlights
    ]
    return {"value": answer.value, "note": answer.note, "highlights": marks}


def fields_view(example: Example, criterion: Criterion) -> list[dict[str, Any]]:
    """The fields that have content: what a judge reads in its reading order, then the rest (`read` false)."""
    names = [*criterion.reads, *(name for name in CONTENT_FIELDS if name not in criterion.reads)]
    return [_field_view(example, name, name in criterion.reads) for name in names if getattr(example, name)]


def _field_view(example: Example, name: str, read: bool) -> dict[str, Any]:
    value = getattr(example, name)
    view: dict[str, Any] = {"name": name, "read": read}
    if name == "turns":
        return {**view, "turns": [{"role": turn.role, "text": text_of(turn.content)} for turn in value]}
    images = 0 if isinstance(value, str) else sum(isinstance(part, ImagePart) for part in value)
    return {**view, "text": field_text(value), "images": images}
