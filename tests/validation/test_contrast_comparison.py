"""Two judges on a contrast set: counted by hand on scripted judges; and intervals that hold what they should."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from simulated_judge import binary_criterion, ordinal_criterion

from assay.metrics.ranking import fpr_at_recall_of
from assay.metrics.resampling import Resampling
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, RefusedError
from assay.schema.example import Example
from assay.schema.verdict import Abstained, Decided, Failed, Verdict
from assay.validation.contrast import Scored, alarms_at, at_recall, compare_on_contrast, compared, scored_by, sign_test

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
    assert found.at.difference.value == pytest.approx(-1 / 4)
    assert (found.at.sign.fewer, found.at.sign.more, found.at.sign.p) == (1, 0, 1.0)
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
    return Scored(
        truth=truth,
        before=before,
        after=(1 + lift) * truth + shared,
        called=(before > 0.5).astype(float),
        groups=np.arange(n).astype(str),
    )


def with_alarms(before: int, after: int, negatives: int, positives: int = 20) -> Scored:
    """Both find all positive rows; so many of the negative ones stand above them, others for the judge after."""
    truth = np.repeat([1.0, 0.0], [positives, negatives])
    scores = [np.repeat([0.8, 0.9, 0.1], [positives, alarms, negatives - alarms]) for alarms in (before, after)]
    scores[1][positives:] = scores[1][positives:][::-1]
    return Scored(
        truth=truth,
        before=scores[0],
        after=scores[1],
        called=(scores[0] > 0.5).astype(float),
        groups=np.arange(len(truth)).astype(str),
    )


@pytest.mark.parametrize(
    ("before", "after", "negatives", "shown"),
    [
        (1, 0, 50, False),
        (2, 0, 50, False),
        (2, 0, 2, False),  # in every resample before raises all and after none
        (5, 0, 50, False),
        (6, 0, 50, True),
        (6, 1, 50, False),
        (20, 4, 50, True),
        (0, 6, 50, False),
    ],
)
def test_a_handful_of_false_alarms_is_not_shown(before, after, negatives, shown):
    found = compared(with_alarms(before, after, negatives), ("a-1", "a-2"))
    assert found.at.difference.value == pytest.approx((after - before) / negatives)
    assert (found.at.sign.fewer, found.at.sign.more) == (before, after)
    assert found.fewer_false_alarms is shown


def test_the_bootstrap_alone_would_show_what_the_sign_test_does_not():
    found = compared(with_alarms(2, 0, 2), ("a-1", "a-2"))
    assert found.at.difference.high < 0
    assert found.at.sign.p == 0.5


def test_rows_of_one_group_are_drawn_together_and_count_once():
    one_by_one = with_alarms(8, 0, 48)
    together = Scored(**{**vars(one_by_one), "groups": np.repeat([f"g{n}" for n in range(17)], 4)})
    assert (sign_test(together, 1.0).fewer, sign_test(one_by_one, 1.0).fewer) == (2, 8)
    alone, grouped = (compared(one, ("a-1", "a-2")) for one in (one_by_one, together))
    assert alone.fewer_false_alarms
    assert not grouped.fewer_false_alarms
    assert "clustered" in grouped.at.difference.method
    width = [found.at.difference.high - found.at.difference.low for found in (alone, grouped)]
    assert width[1] > 1.5 * width[0]


def test_groups_come_from_the_rows():
    rows = [(Example(id=f"r{n}", output="?", group="trace" if n < 2 else None), "advice") for n in range(3)]
    side = Scripted(id="a-1", script=(0.9, 0.8, 0.7))
    assert scored_by(side, side, rows)[0].groups.tolist() == ["trace", "trace", "r2"]


@pytest.mark.parametrize("recall", [0.1, 0.5, 0.73, 0.75, 1.0])
def test_alarms_of_the_rows_add_up_to_the_rate(recall):
    random = np.random.default_rng(5)
    truth = (random.random(60) < 0.4).astype(float)
    scores = random.integers(0, 12, size=60) / 12  # with ties
    alarms = alarms_at(truth, scores, recall)
    rate = fpr_at_recall_of(np.ones((1, 60)), truth, scores, recall)[0]
    assert (alarms * (1 - truth)).sum() / (1 - truth).sum() == pytest.approx(rate)
    assert (alarms * truth).sum() / truth.sum() == pytest.approx(recall)


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
