"""The test rows in parts, to see where the judge is weaker than its average says.

`slices_of(outcomes, keys)` cuts by the named keys, or by all it finds: `meta` keys with 2 to 12 values, the source of
the text, one turn or several, and length in thirds. The more slices, the more of them look bad by chance: read the
intervals.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from assay.metrics.accuracy import accuracy, f1, share
from assay.metrics.multiclass import multiclass_metrics
from assay.schema.dataset import FrozenRow
from assay.schema.errors import InputError, shown
from assay.validation.outcomes import Outcomes
from assay.validation.plain_text import plain
from assay.validation.report import Measures, Slice

MIN_SLICE_ROWS = 20
MIN_VALUES, MAX_VALUES = 2, 12
MAX_FOUND_KEYS = 8
FRESH = 2  # turns of a conversation with one question and one answer
BUILT_IN = ("source", "turns", "length")
THIRDS = ("shortest third", "middle third", "longest third")


def slices_of(outcomes: Outcomes, keys: Sequence[str] | None = None) -> tuple[Slice, ...]:
    """Slices by key, then by value. `keys` are `meta` keys or built-in ones; None finds them.

    Raises InputError for a key that no test row has.
    """
    every = _values_by_key(outcomes.rows, outcomes)
    if keys is not None:
        for key in keys:
            if key not in every:
                raise InputError("A slice key is on no test row.", required=f"one of {sorted(every)}", got=shown(key))
        chosen = list(dict.fromkeys(keys))
    else:
        chosen = [key for key, values in every.items() if _worth_showing(values)][:MAX_FOUND_KEYS]
    return tuple(chain.from_iterable(_cut(outcomes, key, every[key]) for key in chosen))


def _values_by_key(rows: Sequence[FrozenRow], outcomes: Outcomes) -> dict[str, list[str | None]]:
    """Key → the value of each row, None where it has none; meta keys first, in the order of their first row."""
    meta = dict.fromkeys(key for row in rows for key in row.example.meta)
    found = {
        f"meta.{key}" if key in BUILT_IN else key: [_value(row.example.meta.get(key)) for row in rows] for key in meta
    }
    built_in: dict[str, list[str | None]] = {
        "source": [row.example.source for row in rows],
        "turns": [_turns(row) for row in rows],
        "length": _thirds(rows, outcomes),
    }
    return found | built_in


def _value(value: object) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, str | int) else None


def _turns(row: FrozenRow) -> str | None:
    example = row.example
    earlier = len(example.turns) + (0 if example.input is None and example.output is None else FRESH)
    return "several turns" if earlier > FRESH else "one turn"


def _thirds(rows: Sequence[FrozenRow], outcomes: Outcomes) -> list[str | None]:
    lengths = np.array([len(row.example.text(outcomes.criterion.reads)) for row in rows])
    bounds = np.quantile(lengths, [1 / 3, 2 / 3])
    return [THIRDS[int(np.searchsorted(bounds, length))] for length in lengths]


def _worth_showing(values: Sequence[str | None]) -> bool:
    return MIN_VALUES <= len({value for value in values if value is not None}) <= MAX_VALUES


def _cut(outcomes: Outcomes, key: str, values: Sequence[str | None]) -> list[Slice]:
    present = {value for value in values if value is not None}
    order = THIRDS if present <= set(THIRDS) else sorted(present)
    members = np.array([value or "" for value in values], dtype=object)
    return [_slice(outcomes.where(members == value), key, value) for value in order if value in present]


def _slice(part: Outcomes, key: str, value: str) -> Slice:
    n = len(part.truth)
    positives = int((part.truth == part.positive).sum()) if part.binary else None
    measures = _measures(part) if n >= MIN_SLICE_ROWS else None
    return Slice(key=plain(key, limit=40), value=plain(value, limit=40), n=n, positives=positives, measures=measures)


def _measures(part: Outcomes) -> Measures:
    right = accuracy(part.truth, part.predicted, part.resampling)
    if part.binary:
        truth, predicted = part.truth == part.positive, part.predicted == part.positive
        resampling = part.resampling
        return {
            "accuracy": right,
            "f1": f1(truth, predicted, resampling) if (truth | predicted).any() else None,
            "precision": share(truth, predicted, resampling),
            "recall": share(predicted, truth, resampling),
            "specificity": share(~predicted, ~truth, resampling),
        }
    several = multiclass_metrics(part.truth, part.predicted, part.criterion.labels, resampling=part.resampling)
    return {"accuracy": right, "macro_f1": several.macro_f1}
