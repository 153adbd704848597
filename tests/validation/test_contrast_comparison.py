"""Two judges on a contrast set: counted by hand on scripted judges; and intervals that hold what they should."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from simulated_judge import binary_criterion, ordinal_criterion

from assay.metrics.resampling import Resampling
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, RefusedError
from assay.schema.example import Example
from assay.schema.verdict import Abstained, Decided, Failed, Verdict
from assay.validation.contrast import Scored, at_recall, compare_on_contrast, compared

CRITERION = binary_criterion()


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """Gives each row the probability of its script; calls it positive from its threshold on. None: it fails."""

    id: str
    script: tuple[float | None, ...]
    threshold: float = 0.5
    criterion: Criterion = CRITERION

    def judge_many(
        self, examples: Iterable[Example], on_batch: Callable[[int], None] | None = None
    ) -> Iterator[Verdict]:
        for chance, _ in zip(self.script, examples, strict=True):
            yield self._verdict(chance)
        if on_batch is not None:
            on_batch(len(self.script))

    def _verdict(self, p: float | None) -> Verdict:
        if p is None:
            return Failed(reason="empty", action="flag", judge=self.id)
        chances = {"education": 1 - p, "advice": p}
        scores = {label: math.log(max(chance, 1e-9)) for label, chance in chances.items()}
        if p == 0.5:
            return Abstained(reason="unsure", probabilities=chances, scores=scores, judge=self.id, latency_ms=1.0)
        label = "advice" if p >= self.threshold else "education"
        return Decided(
            label=label, probability=chances[label], probabilities=chances, scores=scores, judge=self.id, latency_ms=1.0
        )


def rows_of(truth: str) -> list[tuple[Example, str]]:
    names = {"a": "advice", "e": "education"}
    return [(Example(id=f"r{place}", input="?", output=letter), names[letter]) for place, letter in enumerate(truth)]


def compared_by_hand(truth, before, after, **options):
    sides = (Scripted(id="a-1", script=before), Scripted(id="a-2", script=after))
    return compare_on_contrast(*sides, rows_of(truth), **options)


def test_rates_at_the_recall_that_ships_by_hand():
    heard = []
    found = compared_by_hand(
        "aaaaeeee",
        before=(0.9, 0.8, 0.7, 0.1, 0.95, 0.75, 0.6, 0.2),  # finds 3 of 4, alarms on 3 of 4
        after=(0.9, 0.8, 0.7, 0.1, 0.85, 0.3, 0.2, 0.05),  # finds 3 of 4 from 0.7 on, alarms on 1 of 4
        on_judged=lambda done, total: heard.append((done, total)),
    )
    assert found.shipped == (0.75, 0.75)
    assert found.at.recall == 0.75
    assert found.at.before.value == pytest.approx(2 / 4)  # its best threshold at that recall is 0.7
    assert found.at.after.value == pytest.approx(1 / 4)
    assert found.change is not None
    assert found.change.value == pytest.approx(-0.5)
    assert found.auroc[0].value == pytest.approx(8 / 16)
    assert found.auroc_gain.value == pytest.approx(found.auroc[1].value - 8 / 16)
    assert (found.positives, found.negatives, found.left_out) == (4, 4, 0)
    assert heard == [(8, 16), (16, 16)]


def test_a_stated_recall_and_rows_that_one_cannot_judge():
    found = compared_by_hand(
        "aaeeae", before=(0.9, 0.5, 0.7, 0.2, None, 0.1), after=(0.9, 0.8, 0.1, 0.1, 0.3, None), recall=1.0
    )
    assert (found.positives, found.negatives, found.left_out) == (2, 2, 2)
    assert found.shipped[0] == 0.5  # an abstention flags nothing, but has its place in the ranking
    assert found.at.before.value == 0.5
    assert found.at.after.value == 0.0
    assert found.change is not None
    assert found.change.value == -1.0


def test_no_false_alarm_before_leaves_no_relative_change():
    found = compared_by_hand("aaee", before=(0.9, 0.8, 0.2, 0.1), after=(0.9, 0.8, 0.3, 0.1))
    assert found.change is None
    assert not found.fewer_false_alarms


def test_what_cannot_be_compared():
    with pytest.raises(RefusedError, match="one class only"):
        compared_by_hand("aa", before=(0.9, 0.8), after=(0.9, 0.8))
    with pytest.raises(RefusedError, match="flags none of the 2 positive rows") as refusal:
        compared_by_hand("aae", before=(0.1, 0.2, 0.1), after=(0.9, 0.8, 0.1))
    assert "--recall" in refusal.value.next_step
    with pytest.raises(InputError, match="recall is a share"):
        compared_by_hand("ae", before=(0.9, 0.1), after=(0.9, 0.1), recall=1.5)
    other = Scripted(id="o-1", script=(0.9, 0.1), criterion=ordinal_criterion())
    with pytest.raises(InputError, match="cannot be compared by false alarms"):
        compare_on_contrast(Scripted(id="a-1", script=(0.9, 0.1)), other, rows_of("ae"))


def drawn(n: int, lift: float, seed: int) -> Scored:
    """Judges of known strength: the one after is `lift` better at telling the classes apart."""
    random = np.random.default_rng(seed)
    truth = (np.arange(n) % 2).astype(float)
    shared = random.normal(size=n)
    before = truth + shared
    return Scored(truth=truth, before=before, after=(1 + lift) * truth + shared, called=(before > 0.5).astype(float))


def test_a_better_judge_is_seen_and_an_equal_one_is_not():
    better = compared(drawn(400, lift=1.0, seed=1), ("a-1", "a-2"))
    assert better.fewer_false_alarms
    same = compared(drawn(400, lift=0.0, seed=1), ("a-1", "a-2"))
    assert same.change is not None
    assert (same.change.value, same.change.low, same.change.high) == (0.0, 0.0, 0.0)
    assert not same.fewer_false_alarms


def test_the_interval_holds_the_true_change_about_as_often_as_it_says():
    whole = drawn(200_000, lift=0.5, seed=99)
    true = at_recall(whole, None, Resampling(samples=1)).change
    assert true is not None
    held = 0
    for seed in range(100):
        change = at_recall(drawn(300, lift=0.5, seed=seed), None, Resampling(samples=200, seed=seed)).change
        assert change is not None
        held += change.low <= true.value <= change.high
    assert 88 <= held <= 100
