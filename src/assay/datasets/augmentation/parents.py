"""Parents: which rows an augmentation is made from, and what for.

`planned_tasks(kind, rows, criterion, plan)` takes rows of `train` alone: what is made from a row stays in that row's
split, and nothing may be made from a row that a judge is measured on. Each row is a parent at most once a kind; labels
take turns, so that rare ones are not left behind. The same rows and plan give the same tasks.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from assay.datasets.augmentation.kinds import Ends, Kind, needs_ends, rewritten_field
from assay.schema.criterion import Criterion, Field
from assay.schema.dataset import FrozenRow
from assay.schema.example import Example, field_text
from assay.schema.ids import digest_json
from assay.schema.receipt import made_by
from assay.schema.trace import TextPart

_ID_DIGITS = 16
_TRIES = 50  # to find a row whose answer can be swapped in


@dataclass(frozen=True, kw_only=True)
class TaskPlan:
    """What the tasks hang on. `receipt` names them."""

    receipt: str
    per_kind: int
    seed: int
    ends: Ends


@dataclass(frozen=True, kw_only=True)
class Task:
    """One derivative to be made: `parents` (the first gives everything but what is changed), `field` that changes,
    `label` that the text is made for, `before` the first parent's.
    """

    id: str
    kind: Kind
    position: int
    parents: tuple[Example, ...]
    field: Field | None
    before: str
    label: str

    @property
    def parent(self) -> Example:
        """The first parent."""
        return self.parents[0]


def planned_tasks(kind: Kind, rows: Sequence[FrozenRow], criterion: Criterion, plan: TaskPlan) -> list[Task]:
    """Up to `plan.per_kind` tasks; fewer where fewer rows suit."""
    numbers = random.Random(f"{plan.seed} {kind.name}")  # noqa: S311 - a sample, no secret
    suited = sorted((row for row in rows if _suits(kind, row, criterion, plan.ends)), key=lambda row: row.example.id)
    tasks: list[Task] = []
    for row in _taking_turns(suited, numbers, criterion):
        if len(tasks) == plan.per_kind:
            break
        parents = _with_partner(kind, row, suited, numbers, criterion)
        if parents:
            tasks.append(_task(kind, len(tasks), parents, row.target.value, criterion, plan))
    return tasks


def _suits(kind: Kind, row: FrozenRow, criterion: Criterion, ends: Ends) -> bool:
    """Whether a row can be a parent: of train, not made from another, decided, with text where it is to change."""
    if row.split != "train" or made_by(row.example) is not None or row.target.value not in criterion.labels:
        return False
    if needs_ends(kind, criterion) and row.target.value != ends.good:
        return False
    return all(_has_text(row.example, field) for field in _changed(kind, criterion)) and (
        kind.name != "reference-drop" or bool(row.example.text(_others(criterion, "reference")).strip())
    )


def _changed(kind: Kind, criterion: Criterion) -> tuple[Field, ...]:
    if kind.asks:
        field = rewritten_field(kind, criterion)
        return () if field is None else (field,)
    if kind.name == "reference-drop":
        return ("reference",)
    return ("output_a", "output_b") if criterion.scale.kind == "pairwise" else ("output",)


def _others(criterion: Criterion, field: Field) -> tuple[Field, ...]:
    return tuple(name for name in criterion.reads if name != field)


def _has_text(example: Example, field: Field) -> bool:
    value = getattr(example, field)
    plain = isinstance(value, str) or all(isinstance(part, TextPart) for part in value or ())
    return plain and bool(field_text(value).strip())


def _taking_turns(rows: Sequence[FrozenRow], numbers: random.Random, criterion: Criterion) -> list[FrozenRow]:
    by_label: defaultdict[str, list[FrozenRow]] = defaultdict(list)
    for row in rows:
        by_label[row.target.value].append(row)
    for label in criterion.labels:
        numbers.shuffle(by_label[label])
    turns = zip_longest(*(by_label[label] for label in criterion.labels))
    return [row for turn in turns for row in turn if row is not None]


def _with_partner(
    kind: Kind, row: FrozenRow, rows: Sequence[FrozenRow], numbers: random.Random, criterion: Criterion
) -> tuple[Example, ...]:
    """The row itself, and the one whose answer it gets where answers are swapped; none where there is no such row."""
    if kind.name != "swap" or criterion.scale.kind == "pairwise":
        return (row.example,)
    text = field_text(row.example.output)
    for _ in range(_TRIES):
        one = numbers.choice(rows)
        if one.component != row.component and field_text(one.example.output) != text:
            return (row.example, one.example)
    return ()


def _task(
    kind: Kind, position: int, parents: tuple[Example, ...], before: str, criterion: Criterion, plan: TaskPlan
) -> Task:
    named = [plan.receipt, kind.name, [parent.id for parent in parents]]
    return Task(
        id=f"aug-{digest_json(named)[:_ID_DIGITS]}",
        kind=kind,
        position=position,
        parents=parents,
        field=_changed(kind, criterion)[0],
        before=before,
        label=_made_for(kind, before, criterion, plan, parents[0].id),
    )


def _made_for(kind: Kind, before: str, criterion: Criterion, plan: TaskPlan, parent: str) -> str:
    if not kind.new_label:
        return before
    if needs_ends(kind, criterion):
        return plan.ends.bad or before
    labels = criterion.labels
    place = labels.index(before)
    if kind.name == "swap":
        return labels[len(labels) - 1 - place]  # A better ↔ B better, a tie stays one
    near = {place - 1, place + 1} if criterion.scale.kind == "ordinal" else set(range(len(labels))) - {place}
    choice = random.Random(f"{plan.seed} {kind.name} {parent}")  # noqa: S311 - as above
    return labels[choice.choice(sorted(near & set(range(len(labels)))))]
