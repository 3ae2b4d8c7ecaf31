"""Write metrics as Prometheus reads them, out of plain numbers. Needs ``sp00ky-core[metrics]``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sp00ky_core.observe.rates import COUNT, FIRST_BUCKET, SECONDS, Counters
from sp00ky_core.ports import BUCKETS, COARSE_BOUNDS, BackendStats, Gauge, coarse_buckets

STATUSES = ("pending", "processing", "success", "failed")
BOUNDS = (*map(str, COARSE_BOUNDS), "+Inf")


def exposition(
    counters: Counters,
    in_flight: Mapping[str, int],
    stats: Mapping[str, BackendStats],
    gauges: Sequence[Gauge] = (),
    *,
    slots: Mapping[str, int] | None = None,
    age: float = 0.0,
    routes: bool = False,
) -> str:
    """Write the text of ``/metrics``.

    Args:
        counters: What this process has counted.
        in_flight: Attempts that it makes now, by backend.
        stats: The queue as it was read last; empty: it can't be read.
        gauges: Of extensions, read with it.
        slots: Attempts that it can make at a time, by backend.
        age: How long ago that was, in seconds.
        routes: Label attempts with their route, too.
    """
    registry = CollectorRegistry(auto_describe=False)
    families = [
        *_counted(counters, in_flight, slots or {}, routes=routes),
        *_queue(stats, age),
        *map(_of_extension, gauges),
    ]
    registry.register(_Families(families))
    return generate_latest(registry).decode()


class _Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _counted(
    counters: Counters, in_flight: Mapping[str, int], slots: Mapping[str, int], *, routes: bool
) -> Iterator[Metric]:
    yield _attempts(counters, routes=routes)
    yield _seconds(counters)
    yield _gauge("in_flight", "Attempts that this process makes now.", in_flight)
    yield _gauge("places", "Attempts that this process can make at a time.", slots)
    lost = "Outcomes that weren't written, for the job's lease was lost."
    yield CounterMetricFamily("sp00ky_lease_lost", lost, value=counters.leases_lost)
    failed = "Calls of the store that failed."
    yield CounterMetricFamily("sp00ky_store_errors", failed, value=counters.store_errors)


def _attempts(counters: Counters, *, routes: bool) -> Metric:
    labels = ["backend", "outcome", "code", *["path"] * routes]
    sums = Counter[tuple[str, ...]]()
    for (backend, path, outcome, code), counts in counters.attempts.items():
        sums[backend, outcome, str(code), *[path] * routes] += int(counts[COUNT])
    family = CounterMetricFamily("sp00ky_attempts", "Attempts that have ended.", labels=labels)
    for key, count in sums.items():
        family.add_metric(key, count)
    return family


def _seconds(counters: Counters) -> Metric:
    sums = Counters()
    sums.add(((backend, "", "", 0), counts) for (backend, *_), counts in counters.attempts.items())
    family = HistogramMetricFamily("sp00ky_attempt_seconds", "How long attempts took.", labels=["backend"])
    for (backend, *_), counts in sums.attempts.items():
        buckets = accumulate(coarse_buckets(counts[FIRST_BUCKET : FIRST_BUCKET + BUCKETS]))
        family.add_metric([backend], list(zip(BOUNDS, buckets, strict=True)), sum_value=counts[SECONDS])
    return family


def _queue(stats: Mapping[str, BackendStats], age: float) -> Iterator[Metric]:
    """Describe the whole queue: the same from every process."""
    if not stats:
        return
    yield GaugeMetricFamily("sp00ky_queue_age_seconds", "Age of what is known of the queue.", value=age)
    jobs = GaugeMetricFamily("sp00ky_jobs", "Jobs of the whole queue.", labels=["backend", "status"])
    for backend, counts in stats.items():
        for status in STATUSES:
            jobs.add_metric([backend, status], getattr(counts, status))
    yield jobs
    numbers: dict[str, tuple[str, Callable[[BackendStats], float]]] = {
        "stalled": ("Jobs whose lease is over.", lambda stat: stat.stalled),
        "deferred": ("Pending jobs that were throttled.", lambda stat: stat.deferred),
        "oldest_due_seconds": ("Age of the job that is due longest.", lambda stat: stat.oldest_due_s or 0.0),
        "breaker_open": ("1: the backend is unavailable.", lambda stat: stat.breaker.state != "closed"),
        "paused": ("1: an operator has paused the backend.", lambda stat: stat.paused is not None),
    }
    for name, (text, number) in numbers.items():
        yield _gauge(name, text, {backend: float(number(stat)) for backend, stat in stats.items()})


def _of_extension(gauge: Gauge) -> Metric:
    labels = [gauge.label] if gauge.label else []
    family = GaugeMetricFamily(gauge.name, gauge.text, labels=labels)
    for value, number in gauge.values.items():
        family.add_metric([value] if labels else [], number)
    return family


def _gauge(name: str, text: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"sp00ky_{name}", text, labels=["backend"])
    for backend, value in values.items():
        family.add_metric([backend], value)
    return family
