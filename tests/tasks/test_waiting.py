"""What a job's own code needs to wait, and to write exactly once: asserted on every store."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.store_mysql.conftest import database, server, url_of
from tests.store_postgres.conftest import schema, sql, url

from sp00ky_core import Delivered, Outbox, Undelivered, load_config, load_plugins
from sp00ky_core.errors import CallUnsupported
from sp00ky_core.job.outcome import WAITING
from sp00ky_core.ports import Is
from sp00ky_core.testing import ScriptedTransport
from sp00ky_workflows.tables import BATCHES

__all__ = ["database", "schema", "server", "sql", "url"]

DOCUMENT = """{"openapi": "3.1.0", "info": {"title": "a", "version": "1"},
"paths": {"/a": {"post": {"responses": {"200": {"description": "ok"}}}}}}"""


@pytest.fixture(params=["memory", "sqlite", "postgres", "mysql", "mem"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("url"))
    if request.param == "mysql":
        return url_of(request.getfixturevalue("database"))
    return {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/jobs.db", "mem": "mem://"}[request.param]


@pytest.fixture
async def outbox(tmp_path: Path, store_url: str) -> AsyncIterator[Outbox]:
    (tmp_path / "openapi.json").write_text(DOCUMENT)
    (tmp_path / "sp00ky.yml").write_text(
        "backends: {api: {spec: openapi.json, baseUrl: 'http://127.0.0.1:1', method: {}}}\n"
    )
    plugins = load_plugins()
    config = load_config(tmp_path / "sp00ky.yml", plugins=plugins)
    async with Outbox.open(config, store=store_url, plugins=plugins) as outbox:
        await outbox.migrate()
        yield outbox


def context_of(outbox: Outbox) -> Any:
    return outbox.extensions.context("workflows")


async def test_a_wait_costs_no_retry_leaves_no_entry_and_ends_when_rescheduled(outbox: Outbox) -> None:
    waits = Undelivered(name=WAITING, scheme="python", again_in=3_600.0)
    answers = iter([waits])
    transport = ScriptedTransport(lambda _: next(answers, Delivered()))
    job = await outbox.run("api", "/a", {})
    async with outbox.runner(transport=transport):
        async for seen in outbox.watch(job.id):
            if seen.status == "pending" and transport.attempts and seen.run_at > seen.created_at:
                break
        waiting = await outbox.get(job.id)
        assert (waiting.retries, list(waiting.errors), waiting.deferred_since) == (0, [], None)
        (result,) = await context_of(outbox).jobs.reschedule([job.id])
        assert result.fate == "rescheduled"
        done = await outbox.wait(job.id, timeout=60)
    assert (done.status, done.retries, len(transport.attempts)) == ("success", 0, 2)


async def test_an_attempt_holds_its_job_until_it_is_settled(outbox: Outbox) -> None:
    job = await outbox.run("api", "/a", {})
    context = context_of(outbox)
    (claimed,) = await outbox.store.claim({"api": 1}, "r-1")

    async def holding(tx: Any) -> Any:
        return await tx.holding([claimed])

    assert await context.transact(holding) == {job.id}
    await context.jobs.kill([job.id], reason="tried")
    assert await context.transact(holding) == set()


async def test_a_transaction_of_the_application_commits_with_rows_of_the_extension(outbox: Outbox) -> None:
    context, row = context_of(outbox), {"id": "b1", "name": "tried"}

    async def insert(tx: Any) -> None:
        await tx.insert(BATCHES, [row])

    async def rows(tx: Any) -> Any:
        return await tx.select(BATCHES, [Is("id", "=", "b1")])

    if context.location.startswith("mem"):
        with pytest.raises(CallUnsupported):
            async with context.transaction():
                pass
        return
    with pytest.raises(ZeroDivisionError):  # noqa: PT012  # it is the transaction that must end
        async with context.transaction() as connection:
            await context.join(connection, insert)
            raise ZeroDivisionError
    assert await context.read(rows) == []
    async with context.transaction() as connection:
        await context.join(connection, insert)
    assert len(await context.read(rows)) == 1
