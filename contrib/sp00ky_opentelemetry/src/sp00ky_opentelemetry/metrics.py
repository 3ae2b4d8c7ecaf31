"""Measure jobs by the semantic conventions for messaging."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from opentelemetry.metrics import Meter

from sp00ky_core import Job, Outcome
from sp00ky_opentelemetry.attributes import ERROR_TYPE, common, error_type

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds; those of the conventions."""


class EndedWorkflow(Protocol):
    """A ``WorkflowRecord`` of ``sp00ky-workflows``, as far as it is measured."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def status(self) -> str:
        """How it has ended."""

    @property
    def created_at(self) -> datetime:
        """When it was created."""

    @property
    def ended_at(self) -> datetime | None:
        """When it ended."""


class Metrics:
    """Counts what this process enqueues and claims, and times its attempts; no label names a job or path."""

    def __init__(self, meter: Meter) -> None:
        self._sent = meter.create_counter(
            "messaging.client.sent.messages", unit="{message}", description="Jobs enqueued."
        )
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages", unit="{message}", description="Jobs claimed."
        )
        self._duration = meter.create_histogram(
            "messaging.process.duration",
            unit="s",
            description="Duration of attempts.",
            explicit_bucket_boundaries_advisory=BOUNDS,
        )
        self._workflows = meter.create_histogram(
            "sp00ky.workflow.duration", unit="s", description="Duration of workflows, by name and status."
        )

    def enqueued(self, jobs: Sequence[Job]) -> None:
        """Count jobs that were enqueued."""
        for backend, count in Counter(job.backend for job in jobs).items():
            self._sent.add(count, common("create", backend))

    def claimed(self, jobs: Sequence[Job]) -> None:
        """Count jobs that were claimed."""
        for backend, count in Counter(job.backend for job in jobs).items():
            self._consumed.add(count, common("claim", backend))

    def ended(self, backend: str, outcome: Outcome, seconds: float) -> None:
        """Record an attempt."""
        attributes = common("deliver", backend)
        if (error := error_type(outcome)) is not None:
            attributes[ERROR_TYPE] = error
        self._duration.record(seconds, attributes)

    def workflow_ended(self, workflow: EndedWorkflow) -> None:
        """Record a workflow."""
        seconds = ((workflow.ended_at or workflow.created_at) - workflow.created_at).total_seconds()
        named = {"sp00ky.workflow.name": workflow.name, "sp00ky.workflow.status": str(workflow.status)}
        self._workflows.record(seconds, named)
