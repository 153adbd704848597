"""Rope regimes: some models turn positions differently once a request is longer than a limit."""

from typing import Any

NO_LIMIT = 1 << 62
_TWO_REGIMES = ("longrope", "dynamic")


def longest_short(config: Any) -> int:
    """The longest request, in tokens, of the first regime; NO_LIMIT where there is only one.

    Keys of one regime are wrong in the other, and the model looks at the largest position of a whole pass (Phi-3).
    """
    parameters = getattr(config, "rope_parameters", None) or {}
    several = [value for value in parameters.values() if isinstance(value, dict)] or [parameters]
    limits = [
        int(rope.get("original_max_position_embeddings") or config.max_position_embeddings)
        for rope in several
        if rope.get("rope_type") in _TWO_REGIMES
    ]
    return min(limits, default=NO_LIMIT)
