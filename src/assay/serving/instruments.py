"""Instruments: what a server measures of itself, as Prometheus metrics and as a window for the live page.

Buckets separate 5, 15, 50, 100, 200 and 500 ms. Labels are judge names, modes, routes, kinds and actions: all few; no
text, no request id, and no label of a caller's making becomes a label of a metric.
"""

import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from assay.inference.engine import Priority
from assay.serving.asked import Asked
from assay.serving.telemetry import Telemetry
from assay.serving.traffic import Traffic
from assay.store.verdicts import GivenVerdict

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
OVERHEAD_BUCKETS_S = (0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.025, 0.1, 1.0)


class Instruments:
    """The metrics of one server; every server has its own registry."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self.traffic = Traffic(clock=clock)
        self.telemetry: Telemetry | None = None  # where the workspace names a collector
        self._verdicts = Counter(
            "assay_verdicts",
            "Verdicts given.",
            ("judge", "version", "role", "kind", "action", "route"),
            registry=self.registry,
        )
        self._service = Histogram(
            "assay_verdict_seconds",
            "From the request's arrival to its verdict.",
            ("judge", "mode", "route"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._overhead = Histogram(
            "assay_overhead_seconds",
            "Service time less the judge's own.",
            buckets=OVERHEAD_BUCKETS_S,
            registry=self.registry,
        )
        self._truncated = Counter(
            "assay_truncated", "Verdicts on a text that was cut.", ("judge",), registry=self.registry
        )
        self._refused = Counter(
            "assay_refused",
            "Requests not let in, by priority and reason.",
            ("priority", "code"),
            registry=self.registry,
        )
        self._http = Histogram(
            "assay_http_seconds",
            "HTTP requests, by path template.",
            ("path", "method", "status"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._problems = Gauge(
            "assay_judge_problem", "1 where a judge version could not be loaded.", ("version",), registry=self.registry
        )
        self._late_spans = Counter(
            "assay_late_spans",
            "Spans that came after their trace or session was judged.",
            ("judge", "policy"),
            registry=self.registry,
        )
        self.moves = Counter("assay_alias_moves", "Changes of aliases that took effect.", registry=self.registry)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def answered(self, given: GivenVerdict, asked: Asked) -> None:
        """A verdict was given."""
        verdict = given.verdict
        self._verdicts.labels(given.name, verdict.judge, given.role, verdict.kind, given.action, verdict.route).inc()
        self._service.labels(given.name, asked.mode, verdict.route).observe(given.service_ms / 1e3)
        self._overhead.observe(max(given.service_ms - verdict.latency_ms, 0.0) / 1e3)
        if verdict.kind != "failed" and verdict.truncated_tokens:
            self._truncated.labels(given.name).inc()
        self.traffic.add(given)
        if self.telemetry is not None:
            self.telemetry.add(given)

    def shed(self, priority: Priority) -> None:
        """Less urgent work was dropped."""
        self._refused.labels(priority.name.lower(), "shed").inc()

    def refused(self, priority: Priority, code: str, requests: int = 1) -> None:
        """Requests were not let in."""
        self._refused.labels(priority.name.lower(), code).inc(requests)

    def late_spans(self, judge: str, policy: str, spans: int) -> None:
        """Spans came after their trace or session was judged."""
        if spans:
            self._late_spans.labels(judge, policy).inc(spans)

    def http(self, path: str, method: str, status: int, seconds: float) -> None:
        """An HTTP request was answered."""
        self._http.labels(path, method, str(status)).observe(seconds)

    def broken(self, problems: Mapping[str, str]) -> None:
        """These versions cannot be loaded now."""
        self._problems.clear()
        for version in problems:
            self._problems.labels(version).set(1)

    def page(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)
