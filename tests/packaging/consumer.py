"""A program of somebody who has the wheels and nothing else; type-checked under --strict, never run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypedDict
from uuid import UUID

import attrs
from fastapi import FastAPI
from pydantic import BaseModel

from sp00ky_conformance import StoreConformance, store_model
from sp00ky_core import (
    AttemptError,
    BackendConfig,
    BulkResult,
    Delivered,
    Job,
    JobFilter,
    JobQuery,
    JobStatus,
    NewJob,
    OperatorFate,
    Outbox,
    Outcome,
    Payload,
    PayloadError,
    PayloadInvalid,
    RetryPolicy,
    RunnerOptions,
    Transition,
    Undelivered,
    hookimpl,
    load_config,
    load_plugins,
)
from sp00ky_core.asgi import payload_error_response
from sp00ky_core.ports import Store, StoreOptions
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing import (
    Response,
    ScriptedTransport,
    assert_enqueued,
    memory_outbox,
    perform_jobs,
    refute_enqueued,
)
from sp00ky_store_kit.memory import MemoryStore


@hookimpl
def sp00ky_classify_outcome(job: Job, outcome: Outcome) -> Outcome | None:
    if isinstance(outcome, Undelivered) and outcome.code == 409:
        return Delivered(code=outcome.code)
    return None


@hookimpl
def sp00ky_retry_policy(job: Job, backend: BackendConfig) -> RetryPolicy | None:
    return RetryPolicy(max_retries=job.max_retries, base=backend.retry.base * 2)


@hookimpl
def sp00ky_request_headers(job: Job) -> Mapping[str, str]:
    return {"X-Team": job.assigned_to or "nobody"}


@hookimpl
async def sp00ky_job_settled(job: Job, transition: Transition) -> None:
    await asyncio.sleep(0)
    print(job.id, transition.to.value, transition.retries)


async def enqueue(outbox: Outbox) -> Job:
    try:
        return await outbox.run(
            "api",
            "/spookify",
            {"id": "thread:abc"},
            assigned_to="thread:abc",
            max_retries=5,
            retry_strategy="exponential",
            timeout=120,
            delay=timedelta(minutes=5),
            dedup_key=None,
        )
    except PayloadInvalid as error:
        print([violation.pointer for violation in error.violations])
        raise


@attrs.frozen
class AttrsThread:
    id: UUID


@dataclass
class DataThread:
    id: UUID


class ModelThread(BaseModel):
    id: UUID


class TypedThread(TypedDict):
    id: UUID


def payloads(key: UUID) -> list[Payload]:
    typed: TypedThread = {"id": key}
    return [AttrsThread(key), DataThread(key), ModelThread(id=key), typed, {"id": key}]


async def enqueue_models(outbox: Outbox, key: UUID) -> None:
    for payload in payloads(key):
        await outbox.run("api", "/spookify", payload)
    await outbox.run_many("api", [NewJob(path="/spookify", payload=ModelThread(id=key))])
    await outbox.run("api", "/spookify", [key])  # type: ignore[arg-type]  # a list is no payload
    await outbox.run("api", "/spookify", "text")  # type: ignore[arg-type]


def application() -> FastAPI:
    app = FastAPI()
    app.add_exception_handler(PayloadError, payload_error_response)
    return app


async def look_after(outbox: Outbox, job: Job) -> Sequence[AttemptError]:
    latest: list[Job] = await outbox.find(assigned_to="thread:abc", path="/spookify", limit=1)
    await outbox.run_many("api", [NewJob(path="/spookify", payload={"id": 1})])
    async for state in outbox.watch(job.id):
        if state.status is JobStatus.FAILED:
            results = await outbox.retry(state.id, resend_unknown=True)
            assert results[0].fate is OperatorFate.RETRIED
    killed: BulkResult = await outbox.kill(filter=JobFilter(backend="api", code=500), reason="not wanted")
    print(killed.matched, killed.done, killed.refused["illegal"])
    async for changed in outbox.watch_all(JobQuery(backend="api")):
        print(changed.payload, changed.result)
        break
    stats = await outbox.stats()
    print(stats["api"].oldest_due_s, stats["api"].breaker.state)
    return latest[0].errors


class TestMyStore(StoreConformance):
    def make_store(self, options: StoreOptions) -> Store:
        return MemoryStore(options)


TestMyModel = store_model(MemoryStore)


async def test_awaiting(outbox: Outbox) -> None:
    enqueued: list[Job] = await assert_enqueued(outbox, "api", "/spookify", {"id": "1"}, priority=1)
    await refute_enqueued(outbox, "api", status=JobStatus.FAILED, delay=timedelta(minutes=5))
    await assert_enqueued(outbox, "api", "/a", asigned_to="x")  # type: ignore[call-overload]  # misspelt
    responses: dict[str, Response] = {"/a": 500, "/b": (503, {"ok": True}), "/c": Delivered(), "/d": None}
    performed: list[Job] = await perform_jobs(outbox, responses)
    await perform_jobs(outbox, {"/a": lambda job: {"id": job.payload["id"]}})
    print(enqueued, performed)


def test_blocking(outbox: SyncOutbox, connection: object) -> None:
    enqueued: list[Job] = assert_enqueued(outbox, "api", "/spookify", count=2, connection=connection)
    refute_enqueued(outbox)
    performed: list[Job] = perform_jobs(
        SyncOutbox(memory_outbox("sp00ky.yml")), {"/a": ModelThread(id=UUID(int=1))}
    )
    print(enqueued, performed)


def deliveries() -> ScriptedTransport:
    return ScriptedTransport(lambda attempt: Delivered(result=attempt.number))


async def main() -> None:
    config = load_config(Path("sp00ky.yml"))
    async with (
        Outbox.open(config, plugins=load_plugins()) as outbox,
        outbox.runner(RunnerOptions(grace=5)) as runner,
    ):
        job = await enqueue(outbox)
        await look_after(outbox, job)
        failed: int = await runner.until_empty()
        print(failed)


if __name__ == "__main__":
    asyncio.run(main())
