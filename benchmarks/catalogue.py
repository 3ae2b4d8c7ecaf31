"""List the benchmarks, and which of them make a full run and a quick one."""

from __future__ import annotations

from benchmarks import kit
from benchmarks.on_postgres import (
    backlog,
    churn,
    delivery,
    enqueue,
    growth,
    latency,
    notify,
    restart,
    synchronous,
)
from benchmarks.setting import Benchmark
from benchmarks.surreal import backlog as surreal_backlog
from benchmarks.surreal import delivery as surreal_delivery
from benchmarks.surreal import embedded as surreal_embedded
from benchmarks.surreal import enqueue as surreal_enqueue
from benchmarks.surreal import fleet as surreal_fleet
from benchmarks.surreal import latency as surreal_latency

__all__ = ["BENCHMARKS", "ON_KIT", "ON_POSTGRES", "ON_SURREAL", "QUICK", "ONCE"]

ON_POSTGRES: dict[str, Benchmark] = {
    "delivery": delivery.one,
    "delivery-two": delivery.two,
    "noop": delivery.noop,
    "function": delivery.function,
    "enqueue": enqueue.many,
    "enqueue-one": enqueue.one,
    "synchronous": synchronous.run,
    "latency": latency.run,
    "backlog": backlog.run,
    "growth-waiting": growth.waiting,
    "growth-backends": growth.backends,
    "growth-processes": growth.processes,
    "restart": restart.run,
    "notify": notify.run,
    "churn": churn.run,
}

ON_SURREAL: dict[str, Benchmark] = {
    "surreal-delivery": surreal_delivery.over_http,
    "surreal-noop": surreal_delivery.noop,
    "surreal-enqueue": surreal_enqueue.many,
    "surreal-latency": surreal_latency.run,
    "surreal-fleet": surreal_fleet.run,
    "surreal-embedded": surreal_embedded.in_memory,
    "surreal-embedded-files": surreal_embedded.on_files,
    "surreal-backlog": surreal_backlog.on_memory,
    "surreal-backlog-files": surreal_backlog.on_files,
    "surreal-backlog-embedded": surreal_backlog.embedded_in_memory,
    "surreal-backlog-embedded-files": surreal_backlog.embedded_on_files,
}

ON_KIT: dict[str, Benchmark] = {"kit": kit.run}

BENCHMARKS = ON_POSTGRES | ON_SURREAL | ON_KIT

QUICK = ("delivery", "delivery-two", "enqueue", "enqueue-one")
"""Of a run of ten minutes."""

ONCE = ("restart", "notify", "churn", "surreal-fleet", *(name for name in ON_SURREAL if "backlog" in name))
"""Measured in the first round only: they take long, or their numbers aren't compared with anybody's."""
