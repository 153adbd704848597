"""An opinion of another tool as the import reads it: one entry of a row's `labels`.

`opinion("yes", labeller="mia", date="2026-11-24")`. A tool's pass and fail are called just so, and mapped to a scale by
`--map-label pass=yes`. Knows nothing of scales.
"""

import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

PASS, FAIL = "pass", "fail"
MILLISECONDS = 1000


def opinion(
    value: Any, *, labeller: str, source: str | None, date: str | None = None, explanation: Any = None
) -> dict[str, Any]:
    """One entry of `labels`; what is not known is left out.

    >>> opinion("yes", labeller="mia", source="expert")
    {'value': 'yes', 'labeller': 'mia', 'source': 'expert'}
    """
    note = explanation.strip() if isinstance(explanation, str) else None
    given = {"value": value, "labeller": labeller, "source": source, "date": date, "explanation": note or None}
    return {name: part for name, part in given.items() if part is not None}


def outcome(passed: bool) -> str:
    """What an assertion or a thresholded metric says."""
    return PASS if passed else FAIL


def label_value(value: Any, question: str, left_out: Counter[str]) -> str | int | bool | None:
    """A tool's value as a label; None, and counted, where it can be none (a share such as 0.83, a list, nothing).

    >>> label_value(4.0, "tone", Counter()), label_value("C", "match", Counter())
    (4, 'C')
    >>> left = Counter(); label_value(0.83, "tone", left), dict(left)
    (None, {"values of 'tone' between whole numbers": 1})
    """
    if isinstance(value, (bool, str, int)) and value != "":
        return value
    if isinstance(value, float) and math.isfinite(value):
        if value.is_integer():
            return int(value)
        left_out[f"values of {question!r} between whole numbers"] += 1
    elif value is None or value == "" or isinstance(value, float):
        left_out[f"empty values of {question!r}"] += 1
    else:
        left_out[f"values of {question!r} that are lists or objects"] += 1
    return None


def iso_time(milliseconds: Any) -> str | None:
    """ISO 8601 in UTC of milliseconds since 1970; None for what is no time.

    >>> iso_time(1_790_000_000_000)
    '2026-09-21T14:13:20+00:00'
    """
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / MILLISECONDS, UTC).isoformat()
    except (OverflowError, OSError, ValueError):
        return None
