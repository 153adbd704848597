"""A pass over new nodes of a prefix tree: which row each token gets, which adapter is live where, who sees whom.

Rows of one adapter lie side by side. A node's tokens see those of its lineage, computed now or before. Short endings of
one prefix are one block of attention; long nodes are cut into chunks, so that little is multiplied that a causal mask
would throw away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from assay.inference.torch.adapters import AdapterRows
from assay.inference.torch.attention import Block, KeysValues
from assay.inference.torch.prefix_tree import Node

_CHUNK = 256  # queries a block
_SHORT = 64  # tokens of an ending that is worth a block with its siblings


@dataclass(frozen=True, eq=False, kw_only=True)
class PackedPass:
    """The rows of one pass: `nodes` in their order, each with its `rows` set."""

    nodes: tuple[Node, ...]
    ids: torch.Tensor  # (n,) int64
    positions: torch.Tensor  # (n,) int64
    adapters: tuple[AdapterRows, ...]
    blocks: tuple[Block, ...]

    @property
    def size(self) -> int:
        """Its rows."""
        return len(self.ids)


def new_nodes(ends: Sequence[Node]) -> list[Node]:
    """What a pass must compute so that each path can be read at its end; parents before their children."""
    found: dict[int, Node] = {}
    for end in ends:
        for node in end.lineage():
            if node.kept is None:
                found.setdefault(id(node), node)
    return list(found.values())


def packed(nodes: Sequence[Node]) -> PackedPass:
    """Lay new nodes out in rows (and write the rows into them)."""
    order = {name: place for place, name in enumerate(dict.fromkeys([None, *(node.adapter for node in nodes)]))}
    ordered = sorted(nodes, key=lambda node: order[node.adapter])
    first = 0
    for node in ordered:
        node.rows = slice(first, first + len(node.tokens))
        first += len(node.tokens)
    return PackedPass(
        nodes=tuple(ordered),
        ids=torch.tensor([token for node in ordered for token in node.tokens]),
        positions=torch.tensor([place for node in ordered for place in range(node.start, node.stop)]),
        adapters=_adapter_rows(ordered),
        blocks=tuple(block for group in _groups(ordered) for block in _blocks(group)),
    )


def _adapter_rows(nodes: Sequence[Node]) -> tuple[AdapterRows, ...]:
    parts: list[AdapterRows] = []
    for node in nodes:
        if node.adapter is None or node.rows is None:
            continue
        if parts and parts[-1].adapter == node.adapter:
            parts[-1] = AdapterRows(adapter=node.adapter, rows=slice(parts[-1].rows.start, node.rows.stop))
        else:
            parts.append(AdapterRows(adapter=node.adapter, rows=node.rows))
    return tuple(parts)


def _groups(nodes: Sequence[Node]) -> list[list[Node]]:
    """Nodes that become one block: short ones of one parent together, every other one alone."""
    groups: list[list[Node]] = []
    open_: dict[int, list[Node]] = {}  # parent → its group that still has room
    for node in nodes:
        group = open_.get(id(node.parent))
        if len(node.tokens) > _SHORT or node.parent is None or node.parent.parent is None:
            groups.append([node])
        elif group and sum(len(other.tokens) for other in group) + len(node.tokens) <= _CHUNK:
            group.append(node)
        else:
            open_[id(node.parent)] = [node]
            groups.append(open_[id(node.parent)])
    return groups


def _blocks(group: Sequence[Node]) -> list[Block]:
    before = group[0].lineage()[:-1]
    earlier: list[KeysValues] = [node.kept for node in before if node.kept is not None]
    cached = [node for node in before if node.kept is not None]
    now = [node for node in before if node.kept is None]
    if any(late.start < early.start for late, early in zip(now[:1], cached[-1:], strict=False)):
        raise AssertionError("a node that was kept lies below one that was not")
    seen = _joined([_rows_of(node) for node in now])
    positions = [torch.arange(node.start, node.stop) for node in (*cached, *now)]
    if len(group) > 1:
        return [_side_by_side(group, earlier, seen, positions)]
    node, rows = group[0], _rows_of(group[0])
    blocks: list[Block] = []
    for first in range(0, len(node.tokens), _CHUNK):
        stop = min(first + _CHUNK, len(node.tokens))
        blocks.append(
            Block(
                queries=(slice(rows.start + first, rows.start + stop),),
                earlier=tuple(earlier),
                keys=_joined([*seen, slice(rows.start, rows.start + stop)]),
                query_positions=torch.arange(node.start + first, node.start + stop),
                key_positions=torch.cat([*positions, torch.arange(node.start, node.start + stop)]),
            )
        )
    return blocks


def _side_by_side(
    group: Sequence[Node], earlier: list[KeysValues], seen: tuple[slice, ...], positions: list[torch.Tensor]
) -> Block:
    own = _joined([_rows_of(node) for node in group])
    own_positions = torch.cat([torch.arange(node.start, node.stop) for node in group])
    owners = torch.cat([torch.full((len(node.tokens),), place) for place, node in enumerate(group)])
    shared = sum(len(part) for part in positions)
    return Block(
        queries=own,
        earlier=tuple(earlier),
        keys=(*seen, *own),
        query_positions=own_positions,
        key_positions=torch.cat([*positions, own_positions]),
        query_owners=owners,
        key_owners=torch.cat([torch.full((shared,), -1), owners]),
    )


def _rows_of(node: Node) -> slice:
    assert node.rows is not None  # noqa: S101 - the pass gave it rows
    return node.rows


def _joined(parts: Sequence[slice]) -> tuple[slice, ...]:
    """Neighbouring slices as one.

    >>> _joined([slice(0, 2), slice(2, 5), slice(7, 8)])
    (slice(0, 5, None), slice(7, 8, None))
    """
    joined: list[slice] = []
    for part in parts:
        if joined and joined[-1].stop == part.start:
            joined[-1] = slice(joined[-1].start, part.stop)
        else:
            joined.append(part)
    return tuple(joined)
