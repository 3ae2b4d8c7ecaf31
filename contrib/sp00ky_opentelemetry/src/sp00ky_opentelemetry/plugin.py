"""Observe the outbox by its hooks, and pass trace contexts on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import TracerProvider, get_tracer

from sp00ky_core import Attempt, BackendConfig, Job, JobStatus, NewJob, Outcome, Transition, hookimpl
from sp00ky_opentelemetry.metrics import EndedWorkflow, Metrics
from sp00ky_opentelemetry.tracing import Tracing

NAME = "sp00ky_opentelemetry"
VERSION = version("sp00ky-opentelemetry")


class OpenTelemetry:
    """The plugin.

    Args:
        tracer_provider: By default the global one, whenever it is set.
        meter_provider: Likewise.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracing = Tracing(get_tracer(NAME, VERSION, tracer_provider))
        self._metrics = Metrics(get_meter(NAME, VERSION, meter_provider))

    @hookimpl
    def sp00ky_traceparent(self, job: NewJob, backend: BackendConfig) -> str | None:
        """Give a job the context of a producer span."""
        return self._tracing.enqueued(job, backend.name)

    @hookimpl
    def sp00ky_job_enqueued(self, jobs: Sequence[Job]) -> None:
        """Count jobs."""
        self._metrics.enqueued(jobs)

    @hookimpl
    def sp00ky_jobs_claimed(self, jobs: Sequence[Job]) -> None:
        """Count jobs."""
        self._metrics.claimed(jobs)

    @hookimpl
    def sp00ky_request_headers(self, job: Job, backend: BackendConfig) -> Mapping[str, str]:
        """Start the span of an attempt, and pass its context to the backend."""
        return self._tracing.started(job, backend.name)

    @hookimpl
    def sp00ky_attempt_finished(self, attempt: Attempt, outcome: Outcome, seconds: float) -> None:
        """End the span of an attempt, and time it."""
        self._tracing.ended(attempt.job, outcome)
        self._metrics.ended(attempt.backend.name, outcome, seconds)

    @hookimpl
    def sp00ky_job_settled(self, job: Job, transition: Transition) -> None:  # pluggy
        """Let go of a span that has no attempt; a kill or a reclaim may come while there is one."""
        if job.status is JobStatus.PROCESSING:  # as it was claimed
            self._tracing.forget(job)

    @hookimpl(optionalhook=True)
    def sp00ky_workflow_ended(self, workflow: EndedWorkflow) -> None:
        """Time a workflow of ``sp00ky-workflows``."""
        self._metrics.workflow_ended(workflow)


plugin: OpenTelemetry = OpenTelemetry()
"""What the entry point names."""
