"""Spans of jobs: where one is enqueued, and of each attempt."""

from opentelemetry.trace import SpanKind, StatusCode
from tests.opentelemetry.conftest import MakeOutbox, Telemetry

from sp00ky_core import Attempt, Delivered, Job, Outbox, Undelivered
from sp00ky_core.testing import ScriptedTransport

THEIRS = f"00-{'a' * 32}-{'b' * 16}-01"


async def delivered(outbox: Outbox, job: Job) -> Job:
    async with outbox.runner():
        return await outbox.wait(job.id, timeout=60)


async def test_each_attempt_is_a_child_of_the_enqueue_and_linked_to_it(
    telemetry: Telemetry, make_outbox: MakeOutbox
) -> None:
    words = "you sent p4yload-that-no-span-has"
    outcomes = [Undelivered(code=500, name="http_status", reason=words), Delivered(code=201)]
    transport = ScriptedTransport(lambda attempt: outcomes[attempt.number - 1])
    async with make_outbox(transport) as outbox:
        with telemetry.tracers.get_tracer("app").start_as_current_span("POST /orders") as request:
            job = await outbox.run("api", "/spookify", {"id": "p4yload-that-no-span-has"})
        await delivered(outbox, job)
    (created,) = telemetry.finished("create")
    assert created.kind is SpanKind.PRODUCER
    assert created.parent == request.get_span_context()
    assert (job.traceparent or "")[
        :-2
    ] == f"00-{created.context.trace_id:032x}-{created.context.span_id:016x}-"
    attempts = telemetry.finished("deliver")
    for attempt, sent in zip(attempts, transport.attempts, strict=True):
        assert attempt.kind is SpanKind.CONSUMER
        assert (attempt.parent.trace_id, attempt.parent.span_id) == (
            created.context.trace_id,
            created.context.span_id,
        )
        assert [link.context.span_id for link in attempt.links] == [created.context.span_id]
        assert sent.headers["traceparent"].split("-")[2] == f"{attempt.context.span_id:016x}"
    assert [dict(attempt.attributes) for attempt in attempts] == [
        {**attributes(job, 1), "error.type": "500", "http.response.status_code": 500},
        {**attributes(job, 2), "http.response.status_code": 201},
    ]
    assert [attempt.status.status_code for attempt in attempts] == [StatusCode.ERROR, StatusCode.UNSET]
    assert "p4yload" not in "".join(span.to_json() for span in telemetry.spans.get_finished_spans())


def attributes(job: Job, attempt: int) -> dict[str, object]:
    return {
        "messaging.system": "sp00ky",
        "messaging.operation.name": "deliver",
        "messaging.operation.type": "process",
        "messaging.destination.name": "api",
        "messaging.message.id": job.id,
        "sp00ky.path": "/spookify",
        "sp00ky.attempt": attempt,
    }


async def test_an_attempt_whose_job_is_killed_here_meanwhile_has_its_span(
    telemetry: Telemetry, make_outbox: MakeOutbox
) -> None:
    async def killed(attempt: Attempt) -> Delivered:
        await outbox.kill(attempt.job.id)
        return Delivered()

    async with make_outbox(ScriptedTransport(killed)) as outbox:
        job = await outbox.run("api", "/spookify")
        assert (await delivered(outbox, job)).status == "failed"
    assert len(telemetry.finished("deliver")) == 1


async def test_a_trace_of_the_caller_s_is_continued(telemetry: Telemetry, make_outbox: MakeOutbox) -> None:
    async with make_outbox(ScriptedTransport()) as outbox:
        job = await outbox.run("api", "/spookify", traceparent=THEIRS)
        await delivered(outbox, job)
    assert job.traceparent == THEIRS
    assert telemetry.finished("create") == []
    (attempt,) = telemetry.finished("deliver")
    assert f"{attempt.context.trace_id:032x}" == "a" * 32
