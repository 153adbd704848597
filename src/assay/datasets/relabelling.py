"""How many old labels would flip under a new criterion version: a sample to label anew, and the estimate from it.

`draw_sample(labelled, size, seed)` draws examples by old target, each answer its share and at least a few;
`flip_estimate(sample, answered, new)` compares old and new targets of the sample. Only drawn examples enter: labels
that happen to exist under both versions were not drawn at random.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assay.datasets.consensus import target_of
from assay.metrics.intervals import Estimate, wilson_bounds
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.schema.label import Label

MIN_PER_ANSWER = 10


@dataclass(frozen=True, kw_only=True)
class SampledLabel:
    """An example to be labelled anew. `of` counts the examples with that old answer, `drawn` how many of them were
    drawn.
    """

    example_id: str
    old: str
    of: int
    drawn: int


@dataclass(frozen=True, kw_only=True)
class Flips:
    """What the sample says of the old labels. `by_answer`: old answer → the share that flips; `all` over all old
    labels, each answer at its true share; `expected` is that share times the old labels.
    """

    all: Estimate
    by_answer: Mapping[str, Estimate]
    to: Mapping[str, Mapping[str, int]]  # old answer → new answer → examples of the sample
    population: int
    expected: Estimate
    unanswered: int  # drawn but not yet labelled anew (or tied)


def draw_sample(
    labelled: Iterable[tuple[Example, Sequence[Label]]], size: int, seed: int = 0
) -> tuple[list[SampledLabel], list[Example]]:
    """Draw by old answer: in proportion, and at least `MIN_PER_ANSWER` of each (or all there are).

    The same examples and seed give the same sample, whatever order they come in. Raises InputError.
    """
    by_answer: defaultdict[str, list[Example]] = defaultdict(list)
    for example, labels in labelled:
        target = target_of(labels)
        if target is not None:
            by_answer[target.value].append(example)
    total = sum(map(len, by_answer.values()))
    if size < 1 or not total:
        raise InputError(
            "No sample can be drawn.", required="a size of 1 or more, and old labels", got=f"{size}, {total} examples"
        )
    sample, drawn_examples = [], []
    for value, members in sorted(by_answer.items()):
        wanted = min(len(members), max(MIN_PER_ANSWER, round(size * len(members) / total)))
        ordered = sorted(members, key=lambda example: example.id)
        for example in random.Random(f"{seed} {value}").sample(ordered, wanted):  # noqa: S311 - a sample, no secret
            sample.append(SampledLabel(example_id=example.id, old=value, of=len(members), drawn=wanted))
            drawn_examples.append(example)
    return sample, drawn_examples


def flip_estimate(
    sample: Sequence[SampledLabel],
    answered: Mapping[str, Sequence[Label]],
    new: Criterion,
    carried: Mapping[str, str],
) -> Flips:
    """The share of old labels that flip. `answered`: example id → its labels given under the new version.

    `carried` is the new version's `carries_over` of the old one: a label flips where its target is another than what it
    would have been carried over as (where it would not, than the same word). By answer: Wilson's interval at
    n·(N − 1)/(N − n), for the sample is drawn without putting back. Over all: Σ W p
    with bounds ∓ √Σ W²(p − bound)² (Zou and Donner 2008). Raises InputError where an old answer has no drawn example
    that is labelled anew.
    """
    to: defaultdict[str, Counter[str]] = defaultdict(Counter)
    sizes = {one.old: one.of for one in sample}
    for one in sample:
        target = target_of(answered.get(one.example_id, ()))
        if target is not None:
            to[one.old][target.value] += 1
    done = sum(counter.total() for counter in to.values())
    if set(to) != set(sizes):
        missing = sorted(set(sizes) - set(to))
        raise InputError(
            "The sample is not labelled anew yet.",
            required=f"labels under {new.key} for drawn examples of every old answer",
            got=f"{done} of {len(sample)} examples, none of the old answers {missing}",
            next_step=f"label them and import them with: assay data import FILE --criterion {new.name}",
        )
    by_answer = {value: _share(counter, carried.get(value, value), sizes[value]) for value, counter in to.items()}
    share = _combined(by_answer, sizes)
    population = sum(sizes.values())
    expected = Estimate(
        value=share.value * population,
        low=share.low * population,
        high=share.high * population,
        n=share.n,
        method=share.method,
    )
    return Flips(
        all=share,
        by_answer=by_answer,
        to={value: dict(counter.most_common()) for value, counter in to.items()},
        population=population,
        expected=expected,
        unanswered=len(sample) - done,
    )


def _share(counter: Counter[str], same: str, population: int) -> Estimate:
    n = counter.total()
    share = (n - counter[same]) / n
    if n >= population:
        return Estimate(value=share, low=share, high=share, n=n, method="all of them")
    low, high = wilson_bounds(share, n * (population - 1) / (population - n))
    return Estimate(value=share, low=float(low), high=float(high), n=n, method="Wilson, finite population")


def _combined(by_answer: Mapping[str, Estimate], sizes: Mapping[str, int]) -> Estimate:
    total = sum(sizes.values())
    weights = {value: sizes[value] / total for value in by_answer}
    share = sum(weights[value] * one.value for value, one in by_answer.items())
    below = math.sqrt(sum((weights[value] * (one.value - one.low)) ** 2 for value, one in by_answer.items()))
    above = math.sqrt(sum((weights[value] * (one.high - one.value)) ** 2 for value, one in by_answer.items()))
    return Estimate(
        value=share,
        low=max(0.0, share - below),
        high=min(1.0, share + above),
        n=sum(one.n for one in by_answer.values()),
        method="stratified by old answer",
    )
