"""Trace jobs: a producer span where one is enqueued, a consumer span for each attempt, linked to it."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, get_current_span
from opentelemetry.trace import set_span_in_context as in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sp00ky_core import Job, NewJob, Outcome
from sp00ky_core.job.outcome import HTTP
from sp00ky_opentelemetry.attributes import (
    ATTEMPT,
    ERROR_TYPE,
    MESSAGE_ID,
    OPERATION_TYPE,
    PATH,
    STATUS_CODE,
    common,
    error_type,
)

TRACEPARENT = "traceparent"

_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Makes the spans. An attempt's is in the trace of the enqueue, its child, and linked to it."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._under_way: dict[str, Span] = {}  # by the job's id: an attempt at a time

    def enqueued(self, job: NewJob, backend: str) -> str | None:
        """Make a producer span, below the caller's; return its context, None where there is no tracing."""
        attributes = {**common("create", backend), OPERATION_TYPE: "create", PATH: job.path}
        span = self._tracer.start_span(f"create {backend}", kind=SpanKind.PRODUCER, attributes=attributes)
        span.end()  # the job's creation; its write is a part of the caller's span
        return _traceparent(span)

    def started(self, job: Job, backend: str) -> Mapping[str, str]:
        """Start a consumer span; return the headers that make the backend's spans its children."""
        # Not below the span in which the application has started its runner.
        parent = _PROPAGATOR.extract({TRACEPARENT: job.traceparent or ""}, context=Context())
        created = get_current_span(parent).get_span_context()
        attributes = {
            **common("deliver", backend),
            OPERATION_TYPE: "process",
            MESSAGE_ID: job.id,
            PATH: job.path,
            ATTEMPT: job.retries + 1,
        }
        span = self._tracer.start_span(
            f"deliver {backend}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=[Link(created)] if created.is_valid else [],
        )
        self._under_way[job.id] = span
        traceparent = _traceparent(span)
        return {} if traceparent is None else {TRACEPARENT: traceparent}

    def ended(self, job: Job, outcome: Outcome) -> None:
        """End an attempt's span. What the backend said isn't in it: that may repeat the payload."""
        span = self._under_way.pop(job.id, None)
        if span is None:
            return
        if outcome.code and outcome.scheme == HTTP:
            span.set_attribute(STATUS_CODE, outcome.code)
        if (error := error_type(outcome)) is not None:
            span.set_attribute(ERROR_TYPE, error)
            span.set_status(Status(StatusCode.ERROR, outcome_name(outcome)))
        span.end()

    def forget(self, job: Job) -> None:
        """Drop the span of an attempt that was never made, for its job had expired."""
        self._under_way.pop(job.id, None)


def outcome_name(outcome: Outcome) -> str:
    """Return the name of a failure."""
    return str(getattr(outcome, "name", ""))


def _traceparent(span: Span) -> str | None:
    if not span.get_span_context().is_valid:  # as everywhere without an SDK
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context=in_context(span, Context()))
    return carrier.get(TRACEPARENT)
