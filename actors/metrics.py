"""What operators watch, once for Prometheus (``/metrics``) and once for the Ray dashboard.

`prometheus_client` runs in its multi-process mode: every actor of a node writes to ``$PROMETHEUS_MULTIPROC_DIR``, and
the gateway's ``/metrics`` adds them up. Job counters go to `ray.util.metrics` too, for the dashboard.
"""

from __future__ import annotations

import threading
from functools import cache

from prometheus_client import Counter, Gauge, Histogram
from ray.util import metrics as ray_metrics

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Metrics:
    """All metrics, under their full names ``isinglass_*``."""

    def __init__(self) -> None:
        self.requests = Counter("isinglass_requests", "gRPC calls by method and status code", ["method", "code"])
        self.jobs = Counter("isinglass_jobs", "Finished jobs", ["kind", "state", "service_level"])
        self.job_seconds = Histogram("isinglass_job_seconds", "Receipt to reply", ["kind"], buckets=_SECONDS)
        self.fallbacks = Counter("isinglass_fallbacks", "Answers below FULL by reason", ["kind", "reason"])
        self.spend_usd = Counter("isinglass_spend_usd", "Settled cost in US dollars", ["tenant", "backend"])
        self.backend_calls = Counter("isinglass_backend_calls", "Submissions by outcome", ["backend", "outcome"])
        self.queue_length = Gauge(
            "isinglass_queue_length", "Jobs that wait for a worker", multiprocess_mode="mostrecent"
        )
        self.gateway_lag_seconds = Gauge(
            "isinglass_gateway_lag_seconds", "How late a gateway's event loop runs", multiprocess_mode="livemax"
        )
        self.insurance_seconds = Histogram(
            "isinglass_insurance_seconds", "Quick heuristic in the gateway", ["kind"], buckets=_SECONDS
        )
        self._ray_jobs = ray_metrics.Counter(
            "isinglass_jobs_finished", "Finished jobs", tag_keys=("kind", "state", "service_level")
        )
        self._ray_seconds = ray_metrics.Histogram(
            "isinglass_job_duration_seconds", "Receipt to reply", boundaries=list(_SECONDS), tag_keys=("kind",)
        )

    def job_finished(self, kind: str, state: str, service_level: str, reason: str, seconds: float) -> None:
        """Count one finished job."""
        self.jobs.labels(kind, state, service_level).inc()
        self.job_seconds.labels(kind).observe(seconds)
        if reason:
            self.fallbacks.labels(kind, reason).inc()
        self._ray_jobs.inc(tags={"kind": kind, "state": state, "service_level": service_level})
        self._ray_seconds.observe(seconds, tags={"kind": kind})


_lock = threading.Lock()


@cache
def _metrics() -> Metrics:
    return Metrics()


def metrics() -> Metrics:
    """The metrics of this process; threads that ask for them first at the same time get the same ones."""
    with _lock:
        return _metrics()
