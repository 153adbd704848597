"""Traffic: the last minutes of verdicts, in memory, for the live page. It holds no text.

Ten-second bins for a quarter of an hour, and the newest verdicts one by one. Knows nothing of HTTP.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from assay.store.verdicts import GivenVerdict

BIN_S = 10
BINS = 90
NEWEST = 50
_KEPT_TIMES = 2000  # latencies a bin keeps, enough for its quantiles


@dataclass(kw_only=True)
class _Bin:
    number: int
    verdicts: int = 0
    judges: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    times_ms: list[float] = field(default_factory=list)


class Traffic:
    """What a server has just done."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._bins: deque[_Bin] = deque(maxlen=BINS)
        self._newest: deque[GivenVerdict] = deque(maxlen=NEWEST)

    def add(self, given: GivenVerdict) -> None:
        """A verdict was given."""
        here = self._bin()
        here.verdicts += 1
        here.judges[given.name] += 1
        here.routes[given.verdict.route] += 1
        here.actions[given.action] += 1
        here.kinds[given.verdict.kind] += 1
        if len(here.times_ms) < _KEPT_TIMES:
            here.times_ms.append(given.service_ms)
        self._newest.append(given)

    def summary(self) -> dict[str, Any]:
        """Counts, shares and quantiles of the window, a series by bin (oldest first), and the newest verdicts."""
        last = self._number()
        bins = [one for one in self._bins if last - one.number < BINS]
        times_ms = sorted(one_time for one in bins for one_time in one.times_ms)
        return {
            "window_s": BINS * BIN_S,
            "bin_s": BIN_S,
            "verdicts": sum(one.verdicts for one in bins),
            "judges": _sum(one.judges for one in bins),
            "routes": _sum(one.routes for one in bins),
            "actions": _sum(one.actions for one in bins),
            "kinds": _sum(one.kinds for one in bins),
            "latency_ms": {
                name: quantile(times_ms, share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            },
            "series": _series(bins, last),
            "newest": [_line(given) for given in reversed(self._newest)],
        }

    def _number(self) -> int:
        return int(self._clock() // BIN_S)

    def _bin(self) -> _Bin:
        number = self._number()
        if not self._bins or self._bins[-1].number != number:
            self._bins.append(_Bin(number=number))
        return self._bins[-1]


def quantile(ascending: list[float], share: float) -> float | None:
    """The smallest value that `share` of the values do not exceed; None of nothing.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    if not ascending:
        return None
    return ascending[max(math.ceil(share * len(ascending)) - 1, 0)]


def _sum(counters: Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return dict(total.most_common())


def _series(bins: list[_Bin], last: int) -> list[dict[str, Any]]:
    by_number = {one.number: one for one in bins}
    series = []
    for number in range(last - BINS + 1, last + 1):
        one = by_number.get(number, _Bin(number=number))
        flagged = one.verdicts - one.actions["allow"]
        times_ms = sorted(one.times_ms)
        row = {"verdicts": one.verdicts, "not_allowed": flagged, "p50_ms": quantile(times_ms, 0.5)}
        series.append({"at_s": number * BIN_S, **row, "p99_ms": quantile(times_ms, 0.99)})
    return series


def _line(given: GivenVerdict) -> dict[str, Any]:
    verdict = given.verdict
    return {
        "id": given.id,
        "at": given.created_at,
        "judge": verdict.judge,
        "role": given.role,
        "kind": verdict.kind,
        "label": verdict.label if verdict.kind == "decided" else None,
        "probability": verdict.probability if verdict.kind == "decided" else None,
        "action": given.action,
        "route": verdict.route,
        "reason_code": verdict.reason_code,
        "service_ms": given.service_ms,
    }
