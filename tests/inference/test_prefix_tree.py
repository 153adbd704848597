"""PrefixTree against what it must never do: lose a token, mix adapters, keep what was evicted, outgrow its bound."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.inference.torch.packing import new_nodes, packed
from assay.inference.torch.prefix_tree import Kept, Node, PrefixTree

TOKEN_BYTES = 8  # of `kept` below: one layer, keys and values, one head, width 1, float32


def kept(node: Node) -> Kept:
    """Keys that name their tokens, so that a wrong cut shows."""
    values = torch.tensor([float(token) for token in node.tokens])
    return Kept(first_layer=0, keys_values=torch.stack([values, values]).view(1, 2, 1, -1, 1))


def a_pass(tree: PrefixTree, paths: list[tuple[str, list, int]]) -> list[Node]:
    """What a runner does, without a model; returns the ends, as they stood before the pass was settled."""
    tree.tick()
    ends = [tree.path(root, runs, lasting)[0] for root, runs, lasting in paths]
    nodes = new_nodes(ends)
    packed(nodes)
    for node in nodes:
        if node.lasts and tree.keeps:
            tree.keep(node, kept(node))
    lines = [[(node.adapter, token) for node in end.lineage() for token in node.tokens] for end in ends]
    expected = [[(adapter, token) for adapter, tokens in runs for token in tokens] for _, runs, _ in paths]
    assert lines == expected
    for end in ends:
        for node in end.lineage():
            if node.kept is not None:
                assert node.kept.of_layer(0)[0].flatten().tolist() == list(node.tokens)
    tree.settle(nodes)
    return ends


def added(tree: PrefixTree, root: str, runs: list, lasting: int = 0) -> int:
    tree.tick()
    end, tokens = tree.path(root, runs, lasting)
    tree.settle(new_nodes([end]))
    return tokens


def test_a_common_beginning_is_added_once():
    tree = PrefixTree(1 << 20)
    tree.tick()
    first, one = tree.path("r", [(None, (1, 2, 3, 4))], 0)
    second, two = tree.path("r", [(None, (1, 2, 5))], 0)
    assert (one, two) == (4, 1)
    assert len(new_nodes([first, second])) == 3


def test_what_lasts_is_found_by_later_passes_and_the_rest_is_not():
    tree = PrefixTree(1 << 20)
    a_pass(tree, [("r", [(None, (1, 2, 3, 4))], 2)])
    assert added(tree, "r", [(None, (1, 2, 3, 4))]) == 2
    assert added(tree, "r", [(None, (1, 2, 9, 9, 9))]) == 3


def test_the_last_token_is_always_computed():
    tree = PrefixTree(1 << 20)
    a_pass(tree, [("r", [(None, (1, 2, 3))], 3)])
    assert added(tree, "r", [(None, (1, 2, 3))]) == 1
    assert added(tree, "r", [(None, (1, 2))]) == 1


def test_equal_tokens_under_another_adapter_or_root_are_other_tokens():
    tree = PrefixTree(1 << 20)
    a_pass(tree, [("r", [("a", (1, 2, 3))], 3)])
    assert added(tree, "r", [("b", (1, 2, 3))]) == 3
    assert added(tree, "r", [(None, (1, 2, 3))]) == 3
    assert added(tree, "other", [("a", (1, 2, 3))]) == 3


def test_forgetting_an_adapter_leaves_the_others():
    tree = PrefixTree(1 << 20)
    a_pass(tree, [("r", [(None, (1, 2)), ("a", (3, 4))], 4), ("r", [(None, (1, 2)), ("b", (3, 4))], 4)])
    tree.forget("a")
    assert tree.bytes == 4 * TOKEN_BYTES
    assert added(tree, "r", [(None, (1, 2)), ("a", (3, 4))]) == 2
    assert added(tree, "r", [(None, (1, 2)), ("b", (3, 4))]) == 1


def test_leaves_that_were_used_longest_ago_go_first():
    tree = PrefixTree(6 * TOKEN_BYTES)
    a_pass(tree, [("r", [(None, (1, 2, 3))], 3)])
    a_pass(tree, [("r", [(None, (7, 8, 9))], 3)])
    added(tree, "r", [(None, (1, 2, 3, 4))])  # used again
    a_pass(tree, [("r", [(None, (5, 6, 4))], 3)])
    assert added(tree, "r", [(None, (1, 2, 3, 4))]) == 1
    assert added(tree, "r", [(None, (7, 8, 9, 4))]) == 4


def test_a_tree_that_keeps_nothing_still_shares_within_a_pass():
    tree = PrefixTree(0)
    a_pass(tree, [("r", [(None, (1, 2, 3))], 3), ("r", [(None, (1, 2, 4))], 3)])
    assert tree.bytes == 0
    assert added(tree, "r", [(None, (1, 2, 3))]) == 3


PATHS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), min_size=1, max_size=8),  # few tokens: many common beginnings
        st.sampled_from([None, "a", "b"]),
        st.integers(0, 8),
        st.integers(0, 8),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=150)
@given(passes=st.lists(PATHS, min_size=1, max_size=6), bound=st.sampled_from([0, 40, 200, 1 << 20]))
def test_any_passes_in_any_order_keep_the_paths_whole_and_the_bound(passes, bound):
    tree = PrefixTree(bound)
    for paths in passes:
        a_pass(
            tree,
            [
                ("r", [(None, tuple(tokens[:at])), (adapter, tuple(tokens[at:]))], lasting)
                for tokens, adapter, at, lasting in paths
            ],
        )
        assert tree.bytes <= bound
        assert tree.bytes == sum(node.kept.bytes for node in _all(tree) if node.kept is not None)
        assert all(node.kept is not None and node.rows is None for node in _all(tree))


def _all(tree: PrefixTree) -> list[Node]:
    waiting = [child for root in tree._roots.values() for child in root.children.values()]
    found = []
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node.children.values()
    return found


@pytest.mark.parametrize("seed", range(3))
def test_every_row_of_a_pass_belongs_to_one_token_and_sees_its_lineage(seed):
    numbers = random.Random(seed)
    tree = PrefixTree(0)
    tree.tick()
    beginnings = [tuple(numbers.choices(range(50), k=300)) for _ in range(2)]
    ends = [
        tree.path(
            "r",
            [
                (None, numbers.choice(beginnings)[: numbers.randrange(1, 300)]),
                (numbers.choice(["a", "b"]), tuple(numbers.choices(range(50, 99), k=numbers.randrange(1, 40)))),
            ],
            0,
        )[0]
        for _ in range(12)
    ]
    pass_ = packed(new_nodes(ends))
    rows = sorted((node.rows.start, node.rows.stop) for node in pass_.nodes)
    assert [start for start, _ in rows] == [0, *(stop for _, stop in rows[:-1])]
    visible = torch.zeros(pass_.size, pass_.size, dtype=torch.bool)
    for block in pass_.blocks:
        queries = torch.cat([torch.arange(part.start, part.stop) for part in block.queries])
        keys = torch.cat([torch.arange(part.start, part.stop) for part in block.keys])
        mask = block.mask(None, 1, torch.zeros(1))
        seen = torch.ones(len(queries), len(keys), dtype=torch.bool) if mask is None else mask == 0
        visible[queries[:, None], keys[None, :]] |= seen
    for end in ends:
        line = [place for node in end.lineage() for place in range(node.rows.start, node.rows.stop)]
        for count, row in enumerate(line, start=1):
            assert visible[row].nonzero().flatten().tolist() == sorted(line[:count])
