"""PrefixTree: what requests have in common in the token dimension, computed once and kept under a memory bound.

A path through the tree is a sequence of tokens, each under the adapter that is live on it (None: the base model). Paths
with a common beginning share nodes: instructions, one content under several judges, the earlier turns of a session.
A node is *new* until a pass computes it; what lasts is kept (keys and values, and states where layers above branch),
what does not is dropped after the pass. When the bound is passed, the leaves that were used longest ago go first.

Roots differ wherever equal tokens would not have equal keys: rope regime, range of layers.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch

Run: TypeAlias = tuple[str | None, tuple[int, ...]]  # tokens under one adapter


@dataclass(frozen=True, eq=False, kw_only=True)
class Kept:
    """What was computed for the tokens of a node."""

    first_layer: int
    keys_values: torch.Tensor  # (layers, 2, key heads, tokens, width)
    states: torch.Tensor | None = None  # (tokens, hidden), after the last layer of the range

    def of_layer(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of one layer, each (key heads, tokens, width)."""
        both = self.keys_values[layer - self.first_layer]
        return both[0], both[1]

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        states = 0 if self.states is None else self.states.nbytes
        return self.keys_values.nbytes + states

    def cut(self, first: int, stop: int) -> "Kept":
        """A copy for some of the tokens."""
        states = None if self.states is None else self.states[first:stop].clone()
        return Kept(
            first_layer=self.first_layer, keys_values=self.keys_values[:, :, :, first:stop].clone(), states=states
        )


@dataclass(eq=False, kw_only=True)
class Node:
    """Tokens at the positions from `start` on, all under one adapter, after those of its parent."""

    parent: "Node | None"
    adapter: str | None
    tokens: tuple[int, ...]
    start: int
    children: dict[tuple[str | None, int], "Node"] = field(default_factory=dict)
    kept: Kept | None = None
    lasts: bool = False
    used: int = 0  # the pass that used it last
    rows: slice | None = None  # in the running pass

    @property
    def stop(self) -> int:
        """The position after its last token."""
        return self.start + len(self.tokens)

    def lineage(self) -> list["Node"]:
        """Its ancestors that hold tokens, oldest first, and itself."""
        nodes: list[Node] = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]


class PrefixTree:
    """The shared prefixes of one engine.

    Args:
        max_bytes: what kept nodes may take together; 0 keeps nothing, and sharing ends with each pass.

    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._roots: dict[Hashable, Node] = {}
        self._bytes = 0
        self._clock = 0

    @property
    def bytes(self) -> int:
        """Memory that the kept nodes take."""
        return self._bytes

    @property
    def keeps(self) -> bool:
        """Whether anything outlives a pass."""
        return self._max_bytes > 0

    def tick(self) -> None:
        """A pass begins: nodes that it uses count as younger than all others."""
        self._clock += 1

    def path(self, root: Hashable, runs: Sequence[Run], lasting: int) -> tuple[Node, int]:
        """The last node of a path (`lineage()` gives all), and how many tokens it adds to the running pass.

        The last node is always new, for its last token's state is wanted and is never kept. `lasting` is how many of
        the first tokens are worth keeping.
        """
        node = self._roots.setdefault(root, Node(parent=None, adapter=None, tokens=(), start=0))
        for adapter, tokens, lasts in _cut(runs, lasting):
            rest = tokens
            while rest:
                node = self._step(node, adapter, rest, lasts)
                rest = rest[len(node.tokens) :]
        if node.kept is not None:
            node = self._new_end(node)
        added = 0
        for step in node.lineage():
            if step.kept is None and step.used != self._clock:
                added += len(step.tokens)
            step.used = self._clock
        return node, added

    def keep(self, node: Node, kept: Kept) -> None:
        """Store what a pass computed for a node."""
        node.kept = kept
        self._bytes += kept.bytes

    def settle(self, nodes: Sequence[Node]) -> None:
        """After a pass, or instead of one: drop those of its new nodes that were not kept, then what is too much."""
        for node in sorted(nodes, key=lambda node: -node.start):
            node.rows = None
            if node.kept is None and not node.children:
                self._unlink(node)
        if self._bytes > self._max_bytes:
            self._evict()

    def forget(self, adapter: str) -> None:
        """Drop everything that was computed under an adapter."""
        for node in [node for root in self._roots.values() for node in _below(root)]:
            if node.adapter == adapter and node.parent is not None:
                self._drop(node)

    def clear(self) -> None:
        """Drop everything."""
        self._roots.clear()
        self._bytes = 0

    def _step(self, node: Node, adapter: str | None, rest: tuple[int, ...], lasts: bool) -> Node:
        """The child that begins as `rest` does, cut where they part; a new one where there is none."""
        child = node.children.get((adapter, rest[0]))
        if child is None:
            child = Node(parent=node, adapter=adapter, tokens=rest, start=node.stop, lasts=lasts)
            node.children[adapter, rest[0]] = child
            return child
        common = _common(child.tokens, rest)
        if common < len(child.tokens):
            child = self._split(child, common)
        child.lasts = child.lasts or lasts
        return child

    def _split(self, node: Node, at: int) -> Node:
        """Cut a node in two; the upper half is returned."""
        assert node.parent is not None  # noqa: S101 - roots hold no tokens
        upper = Node(
            parent=node.parent,
            adapter=node.adapter,
            tokens=node.tokens[:at],
            start=node.start,
            lasts=node.lasts,
            used=node.used,
        )
        node.parent.children[node.adapter, node.tokens[0]] = upper
        upper.children[node.adapter, node.tokens[at]] = node
        if node.kept is not None:
            upper.kept, node.kept = node.kept.cut(0, at), node.kept.cut(at, len(node.tokens))
        node.parent, node.tokens, node.start = upper, node.tokens[at:], node.start + at
        return upper

    def _new_end(self, last: Node) -> Node:
        """The last token of a path once more, outside the children that later paths find."""
        if len(last.tokens) > 1:
            self._split(last, len(last.tokens) - 1)
        assert last.parent is not None  # noqa: S101 - roots hold no tokens
        return Node(parent=last.parent, adapter=last.adapter, tokens=last.tokens, start=last.start)

    def _unlink(self, node: Node) -> None:
        assert node.parent is not None  # noqa: S101 - roots stay
        siblings = node.parent.children
        if siblings.get((node.adapter, node.tokens[0])) is node:
            del siblings[node.adapter, node.tokens[0]]

    def _drop(self, node: Node) -> None:
        for below in (node, *_below(node)):
            if below.kept is not None:
                self._bytes -= below.kept.bytes
                below.kept = None
        self._unlink(node)

    def _evict(self) -> None:
        while self._bytes > self._max_bytes:
            leaves = [node for root in self._roots.values() for node in _below(root) if not node.children]
            for leaf in sorted(leaves, key=lambda leaf: leaf.used):
                self._drop(leaf)
                if self._bytes <= self._max_bytes:
                    break


def _cut(runs: Sequence[Run], lasting: int) -> Iterator[tuple[str | None, tuple[int, ...], bool]]:
    """The runs, cut where they stop being worth keeping."""
    start = 0
    for adapter, tokens in runs:
        keep = min(max(lasting - start, 0), len(tokens))
        if keep:
            yield adapter, tokens[:keep], True
        if keep < len(tokens):
            yield adapter, tokens[keep:], False
        start += len(tokens)


def _common(left: tuple[int, ...], right: tuple[int, ...]) -> int:
    """How many first tokens are equal.

    >>> _common((1, 2, 3), (1, 2, 4, 5))
    2
    """
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while low + 1 < high:
        middle = (low + high) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle
    return low


def _below(node: Node) -> Iterator[Node]:
    """All descendants."""
    waiting = list(node.children.values())
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(found.children.values())
