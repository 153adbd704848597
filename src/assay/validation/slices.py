"""The test rows in parts, to see where the judge is weaker than its average says.

`slices_of(outcomes, keys)` cuts by the named keys, or by all it finds: `meta` keys with 2 to 12 values, the source of
the text, one turn or several, and length in thirds. The more slices, the more of them look bad by chance: read the
intervals.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from assay.metrics.accuracy import accuracy
from assay.schema.dataset import FrozenRow
from assay.schema.errors import InputError, shown
from assay.validation.headline import calibration_of, measures_of
from assay.validation.outcomes import Outcomes
from assay.validation.plain_text import plain
from assay.validation.report import Measures, Slice

MIN_SLICE_ROWS = 20
MIN_VALUES, MAX_VALUES = 2, 12
MAX_FOUND_KEYS = 8
FRESH = 2  # turns of a conversation with one question and one answer
BUILT_IN = ("source", "turns", "length")
THIRDS = ("shortest third", "middle third", "longest third")


def slices_of(
    outcomes: Outcomes,
    keys: Sequence[str] | None = None,
    *,
    own_rate: np.ndarray | None = None,  # (n, k)
) -> tuple[Slice, ...]:
    """Slices by key, then by value. `keys` are `meta` keys or built-in ones; None finds them.

    `own_rate` are the probabilities at the test's rate, for Brier score and calibration error; by default those that
    the judge gave. Raises InputError for a key that no test row has.
    """
    every = _values_by_key(outcomes.rows, outcomes)
    rates = outcomes.probabilities if own_rate is None else own_rate
    if keys is not None:
        check_keys(outcomes.rows, keys)
        chosen = list(dict.fromkeys(keys))
    else:
        chosen = [key for key, values in every.items() if _worth_showing(values)][:MAX_FOUND_KEYS]
    return tuple(chain.from_iterable(_cut(outcomes, rates, key, every[key]) for key in chosen))


def check_keys(rows: Sequence[FrozenRow], keys: Sequence[str]) -> None:
    """Refuse a key that no row has. Raises InputError."""
    known = sorted({_key(key) for row in rows for key in row.example.meta} | set(BUILT_IN))
    for key in keys:
        if key not in known:
            raise InputError("A slice key is on no test row.", required=f"one of {known}", got=shown(key))


def _values_by_key(rows: Sequence[FrozenRow], outcomes: Outcomes) -> dict[str, list[str | None]]:
    """Key → the value of each row, None where it has none; meta keys first, in the order of their first row."""
    meta = dict.fromkeys(key for row in rows for key in row.example.meta)
    found = {_key(key): [_value(row.example.meta.get(key)) for row in rows] for key in meta}
    built_in: dict[str, list[str | None]] = {
        "source": [row.example.source for row in rows],
        "turns": [_turns(row) for row in rows],
        "length": _thirds(rows, outcomes),
    }
    return found | built_in


def _key(meta_key: str) -> str:
    return f"meta.{meta_key}" if meta_key in BUILT_IN else meta_key


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


def _cut(outcomes: Outcomes, own_rate: np.ndarray, key: str, values: Sequence[str | None]) -> list[Slice]:
    present = {value for value in values if value is not None}
    order = THIRDS if present <= set(THIRDS) else sorted(present)
    members = np.array([value or "" for value in values], dtype=object)
    where = {value: members == value for value in order if value in present}
    return [_slice(outcomes.where(mask), own_rate[mask], key, value) for value, mask in where.items()]


def _slice(part: Outcomes, own_rate: np.ndarray, key: str, value: str) -> Slice:
    n = len(part.truth)
    positives = int((part.truth == part.positive).sum()) if part.binary else None
    measures = _measures(part, own_rate) if n >= MIN_SLICE_ROWS else None
    return Slice(key=plain(key, limit=40), value=plain(value, limit=40), n=n, positives=positives, measures=measures)


def _measures(part: Outcomes, own_rate: np.ndarray) -> Measures:
    found, _ = measures_of(part, own_rate)
    found = {"accuracy": accuracy(part.truth, part.predicted, part.resampling), **found}
    found["ece"] = calibration_of(part, own_rate).ece
    return {name: one for name, one in found.items() if name != "brier_change"}
