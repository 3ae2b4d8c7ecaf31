"""A project as its users have one: sp00ky.yml and an OpenAPI document in a folder; the outbox of it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import yaml

from sp00ky_core import (
    Attempt,
    Delivered,
    NewJob,
    Outbox,
    Plugins,
    Runner,
    TransportFactory,
    hookimpl,
    load_plugins,
)

__all__ = ["SLOTS", "project", "opened", "fill", "truncate", "until_delivered", "without_sending"]

SLOTS = 100
"""Attempts at a time, and workers of the loops that ours is compared with."""

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "spooky", "version": "1"},
    "paths": {
        "/spookify": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["id"],
                                "properties": {"id": {"type": "integer", "minimum": 0}},
                            }
                        }
                    }
                },
                "responses": {"200": {"description": "done"}},
            }
        }
    },
}


@contextmanager
def project(*, store: str, base_url: str, keep: str = "6h", slots: int = SLOTS) -> Iterator[Path]:
    """The path of a sp00ky.yml in a folder that goes away at the end; ``keep``: how long jobs stay."""
    backend = {
        "spec": "./openapi.json",
        "baseUrl": base_url,
        "method": {"type": "outbox", "table": "job"},
        "concurrency": slots,
        "retention": {"success": keep},
    }
    with tempfile.TemporaryDirectory(prefix="sp00ky-bench") as folder:
        file = Path(folder) / "sp00ky.yml"
        file.write_text(yaml.safe_dump({"store": store, "backends": {"api": backend}}))
        file.with_name("openapi.json").write_text(json.dumps(DOCUMENT))
        yield file


@asynccontextmanager
async def opened(
    *, store: str, base_url: str, keep: str = "6h", plugins: Plugins | None = None
) -> AsyncIterator[Outbox]:
    """An open outbox; its tables are there, and empty."""
    with project(store=store, base_url=base_url, keep=keep) as file:
        async with Outbox.open(file, plugins=plugins) as outbox:
            await outbox.store.migrate()
            yield outbox


async def fill(outbox: Outbox, jobs: int) -> None:
    """Enqueue so many jobs, 1,000 at a time."""
    for first in range(0, jobs, 1_000):
        numbers = range(first, min(first + 1_000, jobs))
        await outbox.run_many("api", [NewJob(path="/spookify", payload={"id": number}) for number in numbers])


async def truncate(url: str) -> None:
    """Empty the job table."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("TRUNCATE job")
    finally:
        await connection.close()


async def until_delivered(runner: Runner, jobs: int) -> None:
    """Return when the runner has written so many successes."""
    while runner.succeeded < jobs:
        if runner.failed:
            raise RuntimeError("a job failed: this measures nothing")
        await asyncio.sleep(0.005)


class _NoTransport:
    """Delivers everything at once, to nobody."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def deliver(self, attempt: Attempt) -> Delivered:
        return DELIVERED


DELIVERED = Delivered()


class _NoTransportPlugin:
    @hookimpl
    def sp00ky_register_transports(self) -> dict[str, TransportFactory]:
        return {"http": _NoTransport}


def without_sending() -> Plugins:
    """The installed plugins, with a transport that sends nothing in the place of HTTP's."""
    points = [point for point in entry_points(group="sp00ky") if point.name != "transport-http"]
    plugins = load_plugins(points)
    plugins.register(_NoTransportPlugin(), name="noop", distribution="benchmarks")
    return plugins
