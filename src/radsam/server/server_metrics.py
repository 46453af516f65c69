"""Metrics of the server in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServerMetrics:
    """Metrics of one server; none of them names a user, a patient or a file."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter("radsam_requests", "Requests by status", ["method", "status"], registry=self._registry)
        self.seconds = Histogram(
            "radsam_request_seconds", "Time to respond", ["route"], buckets=_SECONDS, registry=self._registry
        )
        self.previews = Histogram(
            "radsam_preview_seconds", "Time of a preview", buckets=_SECONDS, registry=self._registry
        )
        self.edits = Counter("radsam_edits", "Edits by result", ["kind", "end"], registry=self._registry)
        self.slices = Counter("radsam_slices", "Propagated slices", registry=self._registry)
        self.encoded_ahead = Counter("radsam_encoded_ahead", "Slices encoded ahead", registry=self._registry)
        self.dropped = Counter(
            "radsam_listeners_dropped", "Event streams closed for being too slow", registry=self._registry
        )

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge whose value is read at every scrape."""
        Gauge(f"radsam_{name}", description, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """Return all metrics."""
        return generate_latest(self._registry)
