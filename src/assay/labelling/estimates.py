"""What a queue's labels say of the whole pool it was drawn from."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from assay.metrics.intervals import Estimate
from assay.metrics.resampling import Resampling, bootstrap
from assay.schema.label import ADJUDICATION
from assay.store.database import Database
from assay.store.labelling import queues, work
from assay.store.labelling.work import Assignment


def pool_shares(database: Database, queue: str, labels: Sequence[str]) -> dict[str, Estimate]:
    """The share of each label in the pool, with an interval; empty where the queue is no sample or has no labels yet.

    An item with several answers counts in parts, an adjudicated one by its decision. Raises NotFoundError.
    """
    with database.read() as connection:
        queues.get(connection, queue)
        inclusion = {item.position: item.inclusion for item in queues.iter_items(connection, queue)}
        given: dict[int, list[Assignment]] = defaultdict(list)
        for position, part in work.iter_labelled(connection, queue):
            given[position].append(part)
    if not given or any(probability is None for probability in inclusion.values()):
        return {}
    votes = [_votes(given[position]) for position in sorted(given)]
    weights = np.array([1 / (inclusion[position] or 1.0) for position in sorted(given)])
    table = np.array([[shares.get(label, 0.0) for label in labels] for shares in votes])
    return {label: weighted_share(table[:, column], weights) for column, label in enumerate(labels)}


def weighted_share(
    values: np.ndarray,  # (n,) in [0, 1]
    weights: np.ndarray,  # (n,) > 0, inverse inclusion probabilities
) -> Estimate:
    """Σ w·y / Σ w (Hájek 1971) with a percentile bootstrap over the items; where that has no width (all values alike),
    Wilson's interval for (Σw)² / Σw² items (Kish 1965).

    >>> estimate = weighted_share(np.array([1.0, 0.0, 0.0, 0.0]), np.array([1.0, 3.0, 3.0, 3.0]))
    >>> round(estimate.value, 3)
    0.1
    """

    def ratio(times: np.ndarray, value: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.asarray((times @ (value * weight)) / (times @ weight))

    effective = max(1, round(float(weights.sum() ** 2 / (weights**2).sum())))
    return bootstrap(ratio, [values, weights], Resampling(), units=effective)


def _votes(parts: Sequence[Assignment]) -> Mapping[str, float]:
    decided = [part for part in parts if part.labeller.startswith(ADJUDICATION)] or list(parts)
    counts = Counter(str(part.value) for part in decided)
    return {value: count / counts.total() for value, count in counts.items()}
