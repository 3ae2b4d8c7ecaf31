"""Open outboxes for tests, with a clock that they move."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.backend.shared_tables import store_tables
from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.job.job import Job, job_to_json
from sp00ky_core.outbox.outbox import Outbox, load_project
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import JobTable, Store, StoreOptions
from sp00ky_core.stores.memory import MemoryStore, MemoryTransaction

__all__ = ["FakeClock", "memory_outbox", "outbox_over"]


class FakeClock:
    """Stands for the database's clock of a ``MemoryStore`` (``now=clock.now``) and for a monotonic one."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._now = start

    def now(self) -> datetime:
        """Return the time."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since the clock was made."""
        return (self._now - self._start).total_seconds()

    def advance(self, seconds: float) -> datetime:
        """Move on; the new time. Raises ``ValueError`` for a step backward."""
        if seconds < 0:
            raise ValueError(f"a clock doesn't go back: {seconds}")
        self._now += timedelta(seconds=seconds)
        return self._now


MEMORY = "memory://"


def memory_outbox(config: str | Path | Config | None = None, *, plugins: Plugins | None = None) -> Outbox:
    """Make an outbox of a sp00ky.yml whose jobs are in memory; it is ready, and needs no ``async with``.

    It takes any database's connection as ``connection=``, adds at once, and takes nothing back. A backend's
    ``rate`` and ``maxInFlight`` don't count, so that no test waits for them.

    Args:
        config: a file, or what ``load_config`` gave; by default the nearest sp00ky.yml upward.
        plugins: by default, all that are installed.

    Raises:
        ConfigError: the file, or a backend's document, can't be used.
    """
    config, plugins, backends = load_project(config, plugins)
    return _over_memory(config, backends, plugins)


def commits_at_once(outbox: Outbox, connection: object) -> bool:
    """Tell whether jobs of a caller's connection are there before it commits: in memory, but for its own."""
    return outbox.store.location == MEMORY and not isinstance(connection, MemoryTransaction)


def outbox_of_jobs(outbox: Outbox, jobs: Iterable[Job]) -> Outbox:
    """Make an outbox in memory that has copies of pending jobs, with their ids."""
    copy = _over_memory(outbox.config, outbox.backends, outbox.plugins)
    store = cast("MemoryStore", copy.store)
    for job in jobs:
        store.write_row(job.id.partition(":")[0], _row(job))
    return copy


def _over_memory(config: Config, backends: Mapping[str, Backend], plugins: Plugins) -> Outbox:
    tables = tuple(attrs.evolve(table, rate=None, max_in_flight=None) for table in store_tables(backends))
    store = MemoryStore(StoreOptions(url=MEMORY, tables=tables, directory=config.file.parent))
    return Outbox(config, store=store, plugins=plugins, backends=backends)


def _row(job: Job) -> dict[str, Any]:
    fields = {name: getattr(job, name) for name in _COPIED}
    errors = encode(job_to_json(job)["errors"]).decode()
    return {**fields, "payload": job.payload_json.decode(errors="replace"), "errors": errors}


_NOT_COPIED = {"backend", "defect", "omitted", "payload_json", "result_json", "errors"}
_COPIED = [field.name for field in attrs.fields(Job) if field.name not in _NOT_COPIED]


def outbox_over(
    store: Store,
    tables: Collection[JobTable],
    folder: Path,
    *,
    paths: Collection[str] = ("/spookify",),
    plugins: Plugins | None = None,
    **settings: Any,
) -> Outbox:
    """Make an outbox; its store is opened and closed with it, or by you.

    Args:
        store: made for these tables.
        tables: one backend each; their timeouts and margins are kept.
        folder: where the backends' OpenAPI document is written.
        paths: the routes of every backend, each by POST.
        plugins: by default none.
        settings: of every backend, by their names in ``BackendConfig``.
    """
    spec = folder / "openapi.json"
    body: dict[str, Any] = {"content": {"application/json": {}}}
    operation = {"post": {"requestBody": body, "responses": {"200": {"description": "ok"}}}}
    info = {"title": "api", "version": "1"}
    spec.write_text(json.dumps({"openapi": "3.1.0", "info": info, "paths": dict.fromkeys(paths, operation)}))
    configs = {}
    for table in tables:
        fields: dict[str, Any] = {"spec": spec, "base_url": "http://127.0.0.1:1", "timeout": table.timeout}
        fields |= {"timeout_overridable": table.timeout_overridable} | settings
        configs[table.backend] = BackendConfig(**fields | {"name": table.backend, "table": table.table})
    config = Config(file=folder / "sp00ky.yml", backends=configs)
    plugins = plugins or Plugins()
    loaded = load_backends(config, frozenset(plugins.strategies), plugins.transports)
    backends = {table.backend: attrs.evolve(loaded[table.backend], table=table) for table in tables}
    return Outbox(config, store=store, plugins=plugins, backends=backends)
