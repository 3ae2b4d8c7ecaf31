"""Use closed sets rightly, and wrongly where a line says so; type-checked, never run."""

from __future__ import annotations

from sp00ky_core import (
    BackendConfig,
    BreakerState,
    JobFilter,
    JobStatus,
    NewJob,
    OperatorFate,
    Outbox,
    PluginStrategy,
)


async def enqueue(outbox: Outbox) -> None:
    await outbox.run("api", "/spookify", {"id": "1"}, retry_strategy="exponential")
    await outbox.run("api", "/spookify", {"id": "1"}, retry_strategy=PluginStrategy("fibonacci"))
    await outbox.run("api", "/spookify", {"id": "1"}, retry_strategy="exponentail")  # wrong
    NewJob(path="/spookify", retry_strategy="linear")
    NewJob(path="/spookify", retry_strategy="liner")  # wrong


async def look(outbox: Outbox) -> None:
    await outbox.find(status="failed")
    await outbox.find(status=JobStatus.FAILED)
    await outbox.find(status="fialed")  # wrong
    JobFilter(status="success")
    JobFilter(status="succes")  # wrong
    (job,) = await outbox.find(limit=1)
    assert job.status == "pending"
    assert job.status is JobStatus.PENDING
    print(job.status.retrying)  # wrong


async def operate(outbox: Outbox, backend: BackendConfig) -> None:
    stats = (await outbox.stats())["api"]
    assert stats.breaker.state is BreakerState.OPEN
    print(BreakerState.OPENED)  # wrong
    (result,) = await outbox.kill("job:1")
    assert result.fate is OperatorFate.KILLED
    print(OperatorFate.KILED)  # wrong
    done = await outbox.kill(filter=JobFilter())
    print(done.refused["illegal"])
    print(done.refused["ilegal"])  # wrong
    engine: str = backend.engine
    print(engine)
    print(backend.engine == "httptool")  # wrong
