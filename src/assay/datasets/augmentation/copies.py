"""Copies: derivatives that say nothing new, or that would carry a text over from a row held out.

`copies(made, rows, criterion)` names them with reasons. A derivative may be near its own family (its parents, and what
else was made from them) where it is made for another label: a small change that moves the label is what a flip is for.
Near anything else it is set aside, whatever the label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datasketch import MinHash, MinHashLSH

from assay.datasets.augmentation.kinds import KINDS
from assay.datasets.candidates import judged_key
from assay.datasets.near_duplicates import DEFAULT_THRESHOLD, jaccard, shingles
from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow
from assay.schema.example import Example
from assay.store.augmentations import Derivative

_PERMUTATIONS = 128
_SEARCH_BELOW = 0.1  # as in near_duplicates: the index is asked a little below the threshold, then texts are compared


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A text that is there. `families` are the groups it comes from (of a row without a group, its id)."""

    id: str
    text: str
    families: frozenset[str]
    label: str


class _NearTexts:
    """Texts by their MinHash signatures."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._index = MinHashLSH(threshold=threshold - _SEARCH_BELOW, num_perm=_PERMUTATIONS, weights=(0.1, 0.9))
        self._blank = MinHash(num_perm=_PERMUTATIONS, hashfunc=int)
        self._known: list[_Known] = []

    def add(self, known: _Known) -> None:
        """Remember a text."""
        self._index.insert(len(self._known), self._signature(known.text))
        self._known.append(known)

    def near(self, text: str) -> list[_Known]:
        """The known texts at or above the threshold, in the order in which they came."""
        grams = shingles(text)
        found = (self._known[place] for place in sorted(self._index.query(self._signature(text))))
        return [known for known in found if jaccard(grams, shingles(known.text)) >= self._threshold]

    def _signature(self, text: str) -> MinHash:
        signature = self._blank.copy()
        signature.update_batch(shingles(text).tolist())
        return signature


def copies(
    made: Sequence[Derivative],
    rows: Sequence[FrozenRow],
    criterion: Criterion,
    threshold: float = DEFAULT_THRESHOLD,
) -> dict[str, str]:
    """Id → of what it is a copy. `rows` are all of the dataset, held out or not; of two copies the earlier stays."""
    texts, exact = _NearTexts(threshold), dict[str, str]()
    groups = {row.example.id: row.example.group or row.example.id for row in rows}
    for row in rows:
        text = judged_key(row.example, criterion.reads)
        exact.setdefault(text, row.example.id)
        families = frozenset({groups[row.example.id]})
        texts.add(_Known(id=row.example.id, text=text, families=families, label=row.target.value))
    found: dict[str, str] = {}
    for one in made:
        if one.example is None:
            continue
        mine = _known(one, one.example, groups, criterion)
        same = exact.get(mine.text)
        near = None if same else _too_near(mine, texts.near(mine.text), near_parent=KINDS[one.kind].near_parent)
        if same is None and near is None:
            exact[mine.text] = one.id
            texts.add(mine)
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
