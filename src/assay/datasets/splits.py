"""Splits: rows that belong together go to one split, and each class is shared out as declared.

`components(ids, groups, pairs)` ties rows of one group and near-duplicates; `assign_splits(rows, shares, seed)` shares
the components out. Both give the same answer whatever order the rows come in. Knows nothing of texts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from assay.schema.dataset import FROZEN_SPLITS, Split
from assay.schema.errors import InputError, shown
from assay.schema.ids import digest_json

DEFAULT_SHARES: Mapping[Split, float] = {"train": 0.55, "dev": 0.10, "calibration": 0.15, "test": 0.20}
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What the assignment needs of a row: its id, its component, and the stratum whose shares are to be kept (its
    class).
    """

    id: str
    component: str
    stratum: str


def components(ids: Sequence[str], groups: Sequence[Sequence[str]], pairs: Sequence[tuple[int, int]]) -> list[str]:
    """The component of each row, named by its smallest id. `groups` holds each row's groups, `pairs` positions that
    belong together.

    >>> components(["a", "b", "c", "d"], [["g"], ["g"], [], ["h"]], [(1, 2)])
    ['a', 'a', 'a', 'd']
    """
    together = DisjointSet(range(len(ids)))
    first_of_group: dict[str, int] = {}
    for position, names in enumerate(groups):
        for name in names:
            together.merge(first_of_group.setdefault(name, position), position)
    for a, b in pairs:
        together.merge(a, b)
    smallest: dict[int, str] = {}
    for position, name in enumerate(ids):
        root = together[position]
        smallest[root] = min(smallest.get(root, name), name)
    return [smallest[together[position]] for position in range(len(ids))]


def assign_splits(rows: Sequence[Placed], shares: Mapping[Split, float], seed: int) -> dict[str, Split]:
    """Component → split. Every stratum comes as near to `shares` in every split as whole components allow.

    Components are placed largest first (equal ones in an order drawn from the seed and their ids), each where Σ (have −
    target)² / target over strata and splits falls most. Single rows end within a row or two of the target; a component
    larger than a split's share stays in one split all the same.
    """
    splits = [split for split in FROZEN_SPLITS if split in shares]
    strata = {name: index for index, name in enumerate(sorted({row.stratum for row in rows}))}
    members: dict[str, list[Placed]] = {}
    for row in rows:
        members.setdefault(row.component, []).append(row)
    sizes = Counter(row.stratum for row in rows)
    rows_per_stratum = np.array([sizes[name] for name in strata], dtype=float)  # (strata,)
    target = np.outer([shares[split] for split in splits], rows_per_stratum)  # (splits, strata)
    have = np.zeros_like(target)
    placed: dict[str, Split] = {}
    for component in sorted(members, key=lambda name: _order(members[name], seed)):
        counts = Counter(strata[row.stratum] for row in members[component])
        columns = np.fromiter(counts, dtype=int)
        added = np.fromiter(counts.values(), dtype=float)
        wanted = target[:, columns]
        cost = (added * (2 * (have[:, columns] - wanted) + added) / wanted).sum(axis=1)
        best = int(np.argmin(cost))
        have[best, columns] += added
        placed[component] = splits[best]
    return placed


def _order(members: Sequence[Placed], seed: int) -> tuple[int, str]:
    return -len(members), digest_json([seed, sorted(row.id for row in members)])


def check_shares(shares: Mapping[Split, float]) -> None:
    """Each of the four splits has a positive share and they sum to 1. Raises InputError."""
    complete = set(shares) == set(FROZEN_SPLITS) and all(share > 0 for share in shares.values())
    if not complete or abs(sum(shares.values()) - 1) > _ROUNDING:
        raise InputError(
            "The shares of the splits do not add up.",
            required=f"a share over 0 for each of {', '.join(FROZEN_SPLITS)}, 1 in all",
            got=shown(dict(shares)),
        )
