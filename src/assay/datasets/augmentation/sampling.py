"""The random sample of a kind that experts answer.

`drawn(derivatives, kind, size, draw)` draws from the made ones that no sample has taken; the same draw comes out the
same. Together the draws of a kind are one sample of it, drawn without putting back.
"""

import random
from collections.abc import Sequence

from assay.store.augmentations import Derivative

DEFAULT_SAMPLE = 50


def drawn(derivatives: Sequence[Derivative], receipt: str, kind: str, size: int, draw: int) -> list[Derivative]:
    """Up to `size` derivatives, in the order of their positions."""
    mine = [one for one in derivatives if one.kind == kind and one.state == "made"]
    again = [one for one in mine if one.draw == draw]
    if again:
        return again
    free = sorted((one for one in mine if one.draw == 0), key=lambda one: one.id)
    numbers = random.Random(f"{receipt} {kind} {draw}")  # noqa: S311 - a sample, no secret
    taken = numbers.sample(free, min(size, len(free)))
    return sorted(taken, key=lambda one: one.position)
