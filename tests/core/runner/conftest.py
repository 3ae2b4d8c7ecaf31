import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core.backend.backend import serving
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.config import BackendConfig, Config, RetryConfig
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import JobTable, Store, StoreOptions
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.stores.named_jobs import NamedJobs
from sp00ky_core.testing.perform import Script, ScriptedTransport, deliver_all
from sp00ky_store_kit.memory import MemoryStore

# What takes seconds in production takes milliseconds here, but a busy machine makes no runner stale or dead.
FAST = RunnerOptions(
    grace=5,
    poll=0.05,
    beat_interval=0.02,
    beat_stale=60,
    reclaim_after=0.05,
    dead_after=120,
    runner_id="runner-under-test",
)


class Clock:
    """A clock that moves when it is told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@attrs.define
class Bench:
    """A store with its backends, and what it takes to run it."""

    config: Config
    plugins: Plugins
    transport: ScriptedTransport
    store: MemoryStore
    tables: tuple[JobTable, ...]

    def paths(self) -> list[str]:
        """Of the requests that were made."""
        return [attempt.job.path for attempt in self.transport.attempts]

    def runner(
        self, store: Store | None = None, *, backends: Iterable[str] | None = None, **options: Any
    ) -> Runner:
        every = load_backends(self.config, frozenset(self.plugins.strategies))
        served = serving(every, backends)
        return Runner(
            store=store or self.store,
            backends=served,
            transports=dict.fromkeys(served, self.transport),
            hooks=self.plugins.hooks(),
            strategies=self.plugins.strategies,
            options=attrs.evolve(FAST, **options),
        )

    def jobs(self, store: Store | None = None) -> NamedJobs:
        """Name the jobs of a store as these backends do."""
        return NamedJobs(store or self.store, load_backends(self.config, frozenset(self.plugins.strategies)))

    async def add(self, path: str = "/spookify", *, backend: str = "api", **options: Any) -> Job:
        return (await self.store.add([NewJob(path=path, backend=backend, **options)]))[0]

    async def ended(self, job: Job) -> Job:
        return await self.until(job, lambda now: now.is_terminal)

    async def until(self, job: Job, met: Callable[[Job], bool]) -> Job:
        """Wait until a job is as wanted; the test's own timeout is the bound."""
        while not met(now := await self.store.get(job.id)):  # noqa: ASYNC110  # the store would have to signal
            await asyncio.sleep(0.005)
        return now


MakeBench = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def make_bench(tmp_path: Path) -> AsyncIterator[MakeBench]:
    """A bench with two backends, ``api`` and ``other``, and plugins; settings of ``api`` by keyword."""
    spec = tmp_path / "openapi.json"
    paths = {path: {"post": {}} for path in ("/spookify", "/chat")}
    spec.write_text(json.dumps({"openapi": "3.1.0", "paths": paths}))
    stores: list[MemoryStore] = []

    async def make(script: Script = deliver_all, *plugged: object, **settings: Any) -> Bench:
        if paths := settings.pop("document", None):
            spec.write_text(json.dumps({"openapi": "3.1.0", "paths": paths}))
        api = BackendConfig(
            name="api",
            spec=spec,
            base_url="http://127.0.0.1:1",
            table="job",
            **({"retry": RetryConfig(base=0)} | settings),
        )
        other = BackendConfig(
            name="other", spec=spec, base_url="http://127.0.0.1:1", table="other_job", concurrency=2
        )
        config = Config(file=tmp_path / "sp00ky.yml", backends={"api": api, "other": other})
        plugins = Plugins()
        for number, plugin in enumerate(plugged):
            plugins.register(plugin, name=f"plugin {number}", distribution="a-test")
        tables = tuple(
            backend.table for backend in load_backends(config, frozenset(plugins.strategies)).values()
        )
        store = MemoryStore(StoreOptions(url="memory://", tables=tables))
        await store.open()
        await store.migrate()
        stores.append(store)
        return Bench(config, plugins, ScriptedTransport(script), store, tables)

    yield make
    for store in stores:
        await store.close()
