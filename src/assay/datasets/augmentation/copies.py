"""Copies: derivatives that say nothing new, or that would carry a text over from a row held out.

`copies(made, rows, criterion)` names them with reasons. A derivative may be near its own family (its parents, and what
else was made from them) where it is made for another label: a small change that moves the label is what a flip is for.
Near anything else it is set aside, whatever the label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.datasets.augmentation.kinds import KINDS
from assay.datasets.candidates import judged_key
from assay.datasets.near_duplicates import DEFAULT_THRESHOLD, NearTexts
from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow
from assay.schema.example import Example
from assay.store.augmentations import Derivative


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A text that is there. `families` are the groups it comes from (of a row without a group, its id)."""

    id: str
    text: str
    families: frozenset[str]
    label: str


def copies(
    made: Sequence[Derivative],
    rows: Sequence[FrozenRow],
    criterion: Criterion,
    threshold: float = DEFAULT_THRESHOLD,
) -> dict[str, str]:
    """Id → of what it is a copy. `rows` are all of the dataset, held out or not; of two copies the earlier stays."""
    texts, known, exact = NearTexts(threshold), list[_Known](), dict[str, str]()
    groups = {row.example.id: row.example.group or row.example.id for row in rows}
    for row in rows:
        text = judged_key(row.example, criterion.reads)
        exact.setdefault(text, row.example.id)
        families = frozenset({groups[row.example.id]})
        texts.add(text)
        known.append(_Known(id=row.example.id, text=text, families=families, label=row.target.value))
    found: dict[str, str] = {}
    for one in made:
        if one.example is None:
            continue
        mine = _known(one, one.example, groups, criterion)
        same = exact.get(mine.text)
        near = None
        if same is None:
            others = [known[place] for place in texts.near(mine.text)]
            near = _too_near(mine, others, near_parent=KINDS[one.kind].near_parent)
        if same is None and near is None:
            exact[mine.text] = one.id
            texts.add(mine.text)
            known.append(mine)
        else:
            found[one.id] = f"nearly a copy of {near}" if same is None else f"a copy of {same}"
    return found


def _known(one: Derivative, example: Example, groups: Mapping[str, str], criterion: Criterion) -> _Known:
    families = {groups.get(parent, parent) for parent in one.parents}
    text = judged_key(example, criterion.reads)
    return _Known(id=one.id, text=text, families=frozenset(families), label=one.label)


def _too_near(mine: _Known, near: Sequence[_Known], *, near_parent: bool) -> str | None:
    for other in near:
        of_family = bool(mine.families & other.families)
        if not of_family or (other.label == mine.label and not near_parent):
            return other.id
    return None
