"""Evidence: from opinions and slices to the scores by which a queue is drawn.

scores = scores_of(database, criterion, plan, pool, Evidence(ours=read_opinions(path, criterion), named="advice-3f2a"))
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from assay.labelling.queues import Pool, QueuePlan, Scores
from assay.labelling.scores import Opinion, coverage, disagreement, uncertainty
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, RefusedError, shown
from assay.schema.example import Example
from assay.schema.label import Label
from assay.store import examples
from assay.store.database import Database
from assay.store.labelling import queues

LENGTHS = ("shortest third", "middle third", "longest third")
WITHOUT = "(without)"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of the examples of a pool.

    `ours` are a judge's opinions by example id, `named` says whose. `theirs` are those it is compared with; None takes
    the labels that are stored: of experts where the pool has them, else of everybody else (an LLM teacher, users).
    `slice_key` is a key of `meta`, or source, turns, length.
    """

    ours: Mapping[str, Opinion] = field(default_factory=dict)
    named: str | None = None
    theirs: Mapping[str, Opinion] | None = None
    slice_key: str | None = None


def scores_of(
    database: Database, criterion: Criterion, plan: QueuePlan, pool: Pool, evidence: Evidence
) -> Scores | None:
    """The scores that the plan's strategy asks for, None for uniform. Raises InputError, RefusedError: the evidence is
    missing or says nothing of this pool.
    """
    if plan.by == "coverage":
        return _by_slice(database, criterion, pool, evidence)
    if plan.by not in ("uncertainty", "disagreement"):
        return None
    ours = [evidence.ours.get(example_id) for example_id in pool.ids]
    if not any(ours):
        raise InputError(
            f"Drawing by {plan.by} needs a judge's verdicts on the pool.",
            required="--judge REF, or --verdicts FILE with the ids of the pool",
            got=f"{len(evidence.ours):,} verdicts, none on an example of the pool",
        )
    if plan.by == "uncertainty":
        return Scores(values=uncertainty(ours), scored_by=evidence.named, hints=[_hint(one) for one in ours])
    stored = evidence.theirs if evidence.theirs is not None else stored_opinions(database, criterion, plan)
    values = disagreement(ours, [stored.get(example_id) for example_id in pool.ids])
    if not values.any():
        raise RefusedError(
            "The two never disagree on this pool, or have no example in common.",
            required="labels or verdicts on the same examples that differ",
            got=f"{len(stored):,} to compare with",
            next_step="draw by uncertainty or uniformly, or give --against FILE",
        )
    return Scores(values=values, scored_by=evidence.named, hints=[_hint(one) for one in ours])


def stored_opinions(database: Database, criterion: Criterion, plan: QueuePlan) -> dict[str, Opinion]:
    """What the stored labels say, as shares of votes: experts' for a pool of labelled examples, else all others'."""
    experts = plan.pool.kind == "labelled"
    with database.read() as connection:
        return {
            example.id: opinion
            for example, labels in examples.iter_labelled(connection, criterion.key)
            if (opinion := _votes([label for label in labels if (label.source == "expert") == experts])) is not None
        }


def _votes(labels: list[Label]) -> Opinion | None:
    if not labels:
        return None
    counts = Counter(label.value for label in labels)
    return Opinion(label=None, probabilities={value: count / len(labels) for value, count in counts.items()})


def _hint(opinion: Opinion | None) -> str | None:
    if opinion is None:
        return None
    shares = ", ".join(f"{label} {share:.2f}" for label, share in opinion.probabilities.items())
    return " ".join(part for part in (opinion.label or "undecided", f"({shares})" if shares else "") if part)


def _by_slice(database: Database, criterion: Criterion, pool: Pool, evidence: Evidence) -> Scores:
    key = evidence.slice_key
    if key is None:
        raise InputError(
            "Drawing by coverage needs slices.", required="--slice KEY: a key of meta, or source, turns, length"
        )
    with database.read() as connection:
        values = [_of(example, criterion, key) for example in queues.iter_examples(connection, pool.ids)]
    names = _names(key, values)
    if set(names) == {WITHOUT}:
        raise InputError(f"No example of the pool has the key {shown(key)}.", required="a key of meta that is there")
    order = {name: number for number, name in enumerate(sorted(set(names)))}
    return Scores(
        values=coverage(names),
        scored_by=f"slices by {key}",
        hints=[f"{key}: {name}" for name in names],
        strata=[order[name] for name in names],
    )


def _of(example: Example, criterion: Criterion, key: str) -> object:
    built_in: dict[str, Callable[[], object]] = {
        "source": lambda: example.source,
        "turns": lambda: "several turns" if example.turns else "one turn",
        "length": lambda: len(example.text(criterion.reads)),
    }
    return built_in[key]() if key in built_in and key not in example.meta else example.meta.get(key)


def _names(key: str, values: list[object]) -> list[str]:
    if key == "length":
        bounds = np.quantile(np.array(values, dtype=float), [1 / 3, 2 / 3])
        return [LENGTHS[int(np.searchsorted(bounds, float(str(value))))] for value in values]
    return [WITHOUT if value is None else str(value) for value in values]
