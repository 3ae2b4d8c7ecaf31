"""Make a project as its users have one: sp00ky.yml and an OpenAPI document in a folder; the outbox of it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import yaml

from benchmarks.peers.protocol import SLOTS, counter, payload
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

__all__ = ["SLOTS", "project", "opened", "fill", "until_delivered", "without_sending", "counting"]

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
def project(
    *,
    store: str,
    base_url: str,
    keep: str = "6h",
    slots: int = SLOTS,
    engine: str = "auto",
    backends: int = 1,
) -> Iterator[Path]:
    """Make a sp00ky.yml in a folder that goes away at the end; its path. ``keep``: how long jobs stay."""
    with tempfile.TemporaryDirectory(prefix="sp00ky-bench") as folder:
        file = Path(folder) / "sp00ky.yml"
        backend = {
            "spec": "./openapi.json",
            "baseUrl": base_url,
            "concurrency": slots,
            "engine": engine,
            "retention": {"success": keep},
        }
        tables = ["job", *(f"job_{number}" for number in range(1, backends))]
        named = {
            table.replace("job", "api"): {**backend, "method": {"type": "outbox", "table": table}}
            for table in tables
        }
        file.write_text(yaml.safe_dump({"store": store, "backends": named}))
        file.with_name("openapi.json").write_text(json.dumps(DOCUMENT))
        yield file


@asynccontextmanager
async def opened(
    *,
    store: str,
    base_url: str,
    keep: str = "6h",
    engine: str = "auto",
    backends: int = 1,
    plugins: Plugins | None = None,
) -> AsyncIterator[Outbox]:
    """Open an outbox whose tables are there, and empty in a new database."""
    with project(store=store, base_url=base_url, keep=keep, engine=engine, backends=backends) as file:
        async with Outbox.open(file, plugins=plugins) as outbox:
            await outbox.store.migrate()
            yield outbox


async def fill(outbox: Outbox, jobs: int, *, backend: str = "api") -> None:
    """Enqueue so many jobs, 1,000 at a time."""
    for first in range(0, jobs, 1_000):
        numbers = range(first, min(first + 1_000, jobs))
        new = [NewJob(path="/spookify", payload=payload(number)) for number in numbers]
        await outbox.run_many(backend, new)


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


class _CountingTransport(_NoTransport):
    """Prints how many it has delivered."""

    async def open(self) -> None:
        self._count = counter()

    async def deliver(self, attempt: Attempt) -> Delivered:
        await self._count(b"")
        return DELIVERED


DELIVERED = Delivered()


class _Plugin:
    def __init__(self, transport: TransportFactory) -> None:
        self._transport = transport

    @hookimpl
    def sp00ky_register_transports(self) -> dict[str, TransportFactory]:
        return {"http": self._transport}


def without_sending() -> Plugins:
    """Load the installed plugins, with a transport that sends nothing in the place of HTTP's."""
    return _plugins(_NoTransport)


def counting() -> Plugins:
    """Load the same, with one that prints how many jobs it has been given."""
    return _plugins(_CountingTransport)


def _plugins(transport: TransportFactory) -> Plugins:
    points = [point for point in entry_points(group="sp00ky") if point.name != "transport-http"]
    plugins = load_plugins(points)
    plugins.register(_Plugin(transport), name="noop", distribution="benchmarks")
    return plugins
