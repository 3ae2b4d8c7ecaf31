"""Numbers of jobs, by the semantic conventions."""

from tests.opentelemetry.conftest import MakeOutbox, Telemetry

from sp00ky_core import Delivered, NewJob, Outcome, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_core.testing import ScriptedTransport


def answer(attempt: Attempt) -> Outcome:
    return Undelivered(name="timeout") if attempt.last else Delivered()


async def test_what_is_enqueued_claimed_and_delivered_is_counted(
    telemetry: Telemetry, make_outbox: MakeOutbox
) -> None:
    async with make_outbox(ScriptedTransport(answer)) as outbox:
        new_jobs = [NewJob(path="/spookify", max_retries=retries) for retries in (0, 1, 1)]
        jobs = await outbox.run_many("api", new_jobs)
        async with outbox.runner():
            for job in jobs:
                await outbox.wait(job.id, timeout=60)
    points = telemetry.points()
    for name, operation in (("sent", "create"), ("consumed", "claim")):
        (point,) = points[f"messaging.client.{name}.messages"]
        assert point.value == 3
        assert dict(point.attributes) == {
            "messaging.system": "sp00ky",
            "messaging.operation.name": operation,
            "messaging.destination.name": "api",
        }
    durations = {point.attributes.get("error.type"): point for point in points["messaging.process.duration"]}
    assert {error: point.count for error, point in durations.items()} == {None: 2, "timeout": 1}
    assert durations[None].explicit_bounds[0] == 0.005
