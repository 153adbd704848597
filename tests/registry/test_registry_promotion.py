"""Where a rollback goes, from the log alone."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from assay.registry import promotion
from assay.registry.promotion import rollback_target
from assay.store.aliases import Promotion


def row(move, version):
    return Promotion(name="a", alias="champion", move=move, version=version, by="mia", reason="test")


def test_examples_of_the_docs():
    assert doctest.testmod(promotion).failed == 0


def test_an_empty_log_and_a_first_champion_have_nothing_before():
    assert rollback_target([]) is None
    assert rollback_target([row("promote", "a-1")]) is None


def test_a_version_that_was_promoted_again_with_a_waiver_is_one_step():
    assert rollback_target([row("promote", "a-1"), row("promote", "a-2"), row("promote", "a-2")]) == "a-1"


@given(st.lists(st.sampled_from(["a-1", "a-2", "a-3"]), min_size=1, max_size=8))
def test_rollbacks_end_and_retrace_the_promotions(versions):
    log = [row("promote", version) for version in versions]
    distinct = [version for n, version in enumerate(versions) if n == 0 or version != versions[n - 1]]
    visited = []
    while (target := rollback_target(log)) is not None:
        visited.append(target)
        log.append(row("rollback", target))
    assert visited == distinct[-2::-1]
