"""Synthetic rows at the freeze: into `train`, or nowhere.

A test, calibration or dev row stands for production, so rows of source `synthetic` are kept out of the division: real
rows are divided as if there were no others, and the test set stays what it was. `placed_in_train` then adds the
synthetic ones that belong with no row held out. A freeze may waive this (`accept_synthetic`) for imported rows, or all.
"""

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TypeAlias

from assay.datasets.candidates import Candidate, judged_key, merge_duplicates
from assay.datasets.consensus import target_of
from assay.datasets.minimums import FreezeSettings
from assay.datasets.near_duplicates import near_duplicate_pairs
from assay.datasets.splits import components
from assay.schema.criterion import Criterion, Field
from assay.schema.dataset import FrozenRow, Split, Synthetic
from assay.schema.errors import RefusedError
from assay.schema.label import Target
from assay.schema.receipt import made_by, parents_of

_PARENT = "\x1fparent "  # before an id: the group of an example and of all that was made from it
_COMPONENT = "\x1fcomponent "  # before the name of a component: the group of its rows

NOT_KEPT = "synthetic, of a kind that no receipt keeps"
COPY = "synthetic, a copy of another row"
UNDECIDED = "synthetic, tied or without text"
HELD_OUT = "synthetic, belongs with a row held out, or its parent is gone"

_Decided: TypeAlias = tuple[Candidate, Target]
_Places: TypeAlias = dict[str, set[tuple[Split, str]]]  # group → where its real rows stand: split and component


@dataclass(frozen=True, kw_only=True)
class Parted:
    """Candidates that are divided among the splits, and synthetic ones that are only added to `train`; `not_kept`
    counts augmented ones whose kind was not kept (or not yet).
    """

    divided: list[Candidate]
    added: list[Candidate]
    not_kept: int


def parted(
    candidates: Sequence[Candidate], kept: AbstractSet[tuple[str, str]], criterion: Criterion, settings: FreezeSettings
) -> Parted:
    """Part the candidates; augmented ones are tied to what they were made from.

    `kept` are the receipts and kinds whose rows may enter. Raises RefusedError where all rows are synthetic and nobody
    waived it.
    """
    entering = [one for one in candidates if (made := made_by(one.example)) is None or made in kept]
    tied = _tied_to_parents(entering)
    added = [one for one in tied if _only_for_train(one, settings.accept_synthetic)]
    divided = [one for one in tied if not _only_for_train(one, settings.accept_synthetic)]
    if tied and not divided:
        raise RefusedError(
            "All labelled rows are synthetic, and synthetic rows do not enter the test split.",
            required="rows from production or by experts",
            got=f"{len(candidates):,} rows of source synthetic",
            next_step="import real rows; or accept synthetic ones everywhere, which is stored and printed on the judge "
            f"card: assay data freeze {criterion.name} --accept-synthetic imported",
        )
    return Parted(divided=divided, added=added, not_kept=len(candidates) - len(entering))


def placed_in_train(
    parts: Parted, rows: Sequence[FrozenRow], criterion: Criterion, settings: FreezeSettings
) -> tuple[list[FrozenRow], dict[str, int]]:
    """The divided rows with the synthetic ones that may join them, sorted by id; and how many were left out, by reason.

    A synthetic row joins where nothing of its group, none of its parents and no near-duplicate stands in another split.
    """
    reads = criterion.reads
    readable = [one for one in parts.added if one.example.text(reads).strip()]
    known = {judged_key(row.example, reads) for row in rows}
    fresh = [one for one in merge_duplicates(readable, reads).kept if judged_key(one.example, reads) not in known]
    decided = [(one, target) for one in fresh if (target := target_of(one.labels)) is not None]
    places = _places(parts.divided, rows, reads)
    of_train = [(one, target) for one, target in decided if _is_of_train(one, places)]
    held_out = [row for row in rows if row.split != "train"]
    train = [row for row in rows if row.split == "train"]
    apart = _apart(of_train, held_out, reads, settings.near_duplicate_threshold)
    dropped = {
        NOT_KEPT: parts.not_kept,
        COPY: len(readable) - len(fresh),
        UNDECIDED: len(parts.added) - len(readable) + len(fresh) - len(decided),
        HELD_OUT: len(decided) - len(apart),
    }
    if apart:
        train = _joined(train, apart, places, reads, settings.near_duplicate_threshold)
    return sorted([*held_out, *train], key=lambda row: row.example.id), {
        reason: count for reason, count in dropped.items() if count
    }


def _only_for_train(one: Candidate, accepted: Synthetic) -> bool:
    if one.example.source != "synthetic" or accepted == "all":
        return False
    return accepted == "none" or made_by(one.example) is not None


def _tied_to_parents(candidates: Sequence[Candidate]) -> list[Candidate]:
    parents = {parent for one in candidates for parent in parents_of(one.example)}
    return [replace(one, groups=(*one.groups, *_ties(one, parents))) for one in candidates]


def _ties(one: Candidate, parents: AbstractSet[str]) -> tuple[str, ...]:
    mine = parents_of(one.example) or ((one.example.id,) if one.example.id in parents else ())
    return tuple(f"{_PARENT}{parent}" for parent in mine)


def _places(divided: Sequence[Candidate], rows: Sequence[FrozenRow], reads: tuple[Field, ...]) -> _Places:
    """A merged duplicate stands where the row does that it went into."""
    row_of = {judged_key(row.example, reads): row for row in rows}
    places: defaultdict[str, set[tuple[Split, str]]] = defaultdict(set)
    for one in divided:
        row = row_of.get(judged_key(one.example, reads))
        for group in one.groups if row is not None else ():
            places[group].add((row.split, row.component))  # type: ignore[union-attr] # as the line above says
    return places


def _is_of_train(one: Candidate, places: _Places) -> bool:
    """Whether all its parents stand in train, and nothing of its groups elsewhere."""
    found = [places.get(group, set()) for group in one.groups]
    parents = [places.get(group) for group in one.groups if group.startswith(_PARENT)]
    return all(parents) and all(split == "train" for standing in found for split, _ in standing)


def _apart(
    new: Sequence[_Decided], held_out: Sequence[FrozenRow], reads: tuple[Field, ...], threshold: float
) -> list[_Decided]:
    """The new ones that no chain of near-duplicates ties to a row held out."""
    texts = [judged_key(row.example, reads) for row in held_out] + [judged_key(one.example, reads) for one, _ in new]
    ids = [row.example.id for row in held_out] + [one.example.id for one, _ in new]
    names = components(ids, [()] * len(ids), near_duplicate_pairs(texts, threshold))
    held = set(names[: len(held_out)])
    return [one for one, name in zip(new, names[len(held_out) :], strict=True) if name not in held]


def _joined(
    train: Sequence[FrozenRow], new: Sequence[_Decided], places: _Places, reads: tuple[Field, ...], threshold: float
) -> list[FrozenRow]:
    """The train rows with the new ones, with the components that they now make."""
    texts = [judged_key(row.example, reads) for row in train] + [judged_key(one.example, reads) for one, _ in new]
    ids = [row.example.id for row in train] + [one.example.id for one, _ in new]
    groups = [[f"{_COMPONENT}{row.component}"] for row in train] + [_all_groups(one, places) for one, _ in new]
    names = components(ids, groups, near_duplicate_pairs(texts, threshold))
    joined = [replace(row, component=name) for row, name in zip(train, names, strict=False)]
    return joined + [
        FrozenRow(example=one.example, labels=one.labels, target=target, split="train", component=name)
        for (one, target), name in zip(new, names[len(train) :], strict=True)
    ]


def _all_groups(one: Candidate, places: _Places) -> list[str]:
    known = {component for group in one.groups for _, component in places.get(group, set())}
    return [*one.groups, *(f"{_COMPONENT}{component}" for component in sorted(known))]
