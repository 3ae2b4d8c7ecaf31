"""The outbox: what an application calls to enqueue, to watch, and to look after its jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from sp00ky_core.backend import Backend, load_backends
from sp00ky_core.config import Config, find_config, load_config, store_url
from sp00ky_core.errors import (
    CallUnsupported,
    OptionInvalid,
    UnknownBackend,
    shown,
)
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.plugins import Plugins, load_plugins
from sp00ky_core.ports import (
    BackendStats,
    JobQuery,
    OperatorResult,
    Statements,
    Store,
    StoreOptions,
    Transport,
)
from sp00ky_core.runner import Runner, RunnerOptions
from sp00ky_core.statement import Statement
from sp00ky_core.validating import TimeoutIgnored, validated

__all__ = ["Outbox", "TimeoutIgnored"]


class Outbox:
    """The jobs of one sp00ky.yml, in one store.

    Made by ``Outbox.open``; an asynchronous context manager. One outbox serves any number of tasks.
    """

    def __init__(
        self, config: Config, *, store: Store, plugins: Plugins, backends: Mapping[str, Backend]
    ) -> None:
        self.config = config
        self.store = store
        self.plugins = plugins
        self.backends = backends
        self._hooks = plugins.hooks()

    @classmethod
    def open(
        cls,
        config: str | Path | Config | None = None,
        *,
        store: str | None = None,
        plugins: Plugins | None = None,
    ) -> Self:
        """Read the configuration and its OpenAPI documents; connecting is left to ``async with``.

        Args:
            config: a file, or what ``load_config`` gave; by default the nearest sp00ky.yml upward.
            store: a URL that overrides the configured one, and ``SP00KY_STORE``.
            plugins: by default, all that are installed.

        Raises:
            ConfigError: the file, or a backend's document, can't be used.
            PluginLoadError: an installed plugin can't be.
            AdapterMissing: no store is installed for the URL.
        """
        loaded = config if isinstance(config, Config) else load_config(Path(config or find_config()))
        plugins = plugins or load_plugins()
        backends = load_backends(loaded, frozenset(plugins.strategies))
        options = StoreOptions(
            url=store_url(loaded, store).value,
            tables=tuple(backend.table for backend in backends.values()),
            directory=loaded.file.parent,
            surrealdb=loaded.surrealdb,
        )
        factory = plugins.store(options.url.partition(":")[0])
        return cls(loaded, store=factory(options), plugins=plugins, backends=backends)

    async def __aenter__(self) -> Self:
        await self.store.open()
        try:
            if not self.store.capabilities.shared:
                await self._migrate_if_new()
        except BaseException:
            await self.store.close()
            raise
        return self

    async def _migrate_if_new(self) -> None:
        """An embedded database without any job table is new: there is nobody's schema to respect."""
        created = {step.table for step in await self.store.migration() if step.creates_table}
        if not self.store.capabilities.durable or all(
            backend.table.table in created for backend in self.backends.values()
        ):
            await self.store.migrate()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._hooks.flush()
        await self.store.close()

    async def run(
        self,
        backend: str,
        path: str,
        payload: Mapping[str, Any] | None = None,
        *,
        assigned_to: str | None = None,
        max_retries: int = 3,
        retry_strategy: str = "linear",
        timeout: float | None = None,  # noqa: ASYNC109  # the job's, not this call's
        delay: timedelta | None = None,
        run_at: datetime | None = None,
        dedup_key: str | None = None,
        traceparent: str | None = None,
        connection: object = None,
    ) -> Job:
        """Enqueue one call of a backend.

        Args:
            backend: its name in sp00ky.yml.
            path: a route of its OpenAPI document, exactly as written there.
            payload: a JSON object, as the route's contract wants it.
            assigned_to: the record that the job belongs to, as in ``thread:abc``.
            max_retries: attempts after the first, from 0 to 1,000.
            retry_strategy: ``linear``, ``exponential``, or a plugin's.
            timeout: seconds for an attempt; counts only where the backend is ``timeoutOverridable``.
            delay: from now to when it is due.
            run_at: when it is due; either this or ``delay``.
            dedup_key: at most one job with this key is pending or processing; that one is returned.
            traceparent: W3C trace context, sent along.
            connection: the caller's; the job is there when its transaction commits.

        Returns:
            The stored job, or the one that ``dedup_key`` found.

        Raises:
            UnknownBackend: no such backend.
            UnknownRoute: no such path in the backend's document.
            PayloadInvalid: the payload breaks the contract; every violation is listed.
            PayloadError: the payload is no JSON object, or too large.
            OptionInvalid: an option out of its range.
            StoreError: the store refused it, or can't be reached.
        """
        new_job = NewJob(
            path=path,
            payload={} if payload is None else payload,
            assigned_to=assigned_to,
            max_retries=max_retries,
            retry_strategy=retry_strategy,
            timeout=timeout,
            delay=delay,
            run_at=run_at,
            dedup_key=dedup_key,
            traceparent=traceparent,
            backend=backend,
        )
        return (await self.run_many(backend, [new_job], connection=connection))[0]

    async def run_many(
        self, backend: str, new_jobs: Iterable[NewJob], *, connection: object = None
    ) -> list[Job]:
        """Enqueue calls of a backend, all or none, in one round trip. Raises as ``run``."""
        target = self._backend(backend)
        checked = [validated(target, new_job, stacklevel=4) for new_job in new_jobs]
        jobs = await self.store.add(checked, connection=connection) if checked else []
        if self._hooks.observes("sp00ky_job_enqueued"):
            await self._hooks.dispatch("sp00ky_job_enqueued", jobs=jobs)
        return jobs

    def statement(
        self,
        backend: str,
        path: str,
        payload: Mapping[str, Any] | None = None,
        *,
        assigned_to: str | None = None,
        max_retries: int = 3,
        retry_strategy: str = "linear",
        timeout: float | None = None,
        delay: timedelta | None = None,
        run_at: datetime | None = None,
        dedup_key: str | None = None,
        traceparent: str | None = None,
    ) -> Statement:
        """Text and bindings that enqueue one call, to be put into a transaction of your own.

        The arguments are those of ``run``, and are checked as there; nothing is sent. SurrealDB only, where
        transactions are text (``BEGIN; ...; COMMIT;``). A part of a second in ``timeout`` is rounded up.
        ``sp00ky_job_enqueued`` doesn't fire: nobody here knows whether it was committed.

        Raises:
            CallUnsupported: the store has no such thing; says what to use instead.
            Sp00kyError: as ``run``.
        """
        new_job = NewJob(
            path=path,
            payload={} if payload is None else payload,
            assigned_to=assigned_to,
            max_retries=max_retries,
            retry_strategy=retry_strategy,
            timeout=timeout,
            delay=delay,
            run_at=run_at,
            dedup_key=dedup_key,
            traceparent=traceparent,
            backend=backend,
        )
        return _statements_of(self.store).statement(validated(self._backend(backend), new_job, stacklevel=3))

    async def get(self, job_id: str) -> Job:
        """One job. Raises ``JobNotFound``."""
        return await self.store.get(job_id)

    async def find(
        self,
        *,
        backend: str | None = None,
        status: JobStatus | str | None = None,
        path: str | None = None,
        assigned_to: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> list[Job]:
        """Jobs, newest first; ``after`` is the last id of the page before."""
        if backend is not None:
            self._backend(backend)
        query = JobQuery(
            backend=backend,
            status=None if status is None else _status(status),
            path=path,
            assigned_to=assigned_to,
            limit=limit,
            after=after,
        )
        return await self.store.find(query)

    async def watch(self, job_id: str) -> AsyncGenerator[Job, None]:
        """The job now, and again whenever it has changed; ends with its terminal status.

        Raises:
            JobNotFound: there is none of that id.
        """
        await self.store.get(job_id)
        async with aclosing(self.watch_all(JobQuery(ids=(job_id,)))) as changes:
            async for job in changes:
                yield job
                if job.is_terminal:
                    return
        await self.store.get(job_id)  # says why nothing comes any more: the job is gone, or the store closed

    async def watch_all(self, query: JobQuery | None = None) -> AsyncGenerator[Job, None]:
        """Jobs that match now, and each again whenever it has changed; doesn't end by itself."""
        async with aclosing(self.store.watch(query or JobQuery())) as changes:
            async for job in changes:
                yield job

    async def kill(self, *job_ids: str) -> list[OperatorResult]:
        """End jobs that are pending or processing; each one's fate."""
        return await self.store.kill(job_ids)

    async def redrive(self, *job_ids: str, resend_unknown: bool = False) -> list[OperatorResult]:
        """Make failed jobs pending again; each one's fate.

        Args:
            job_ids: the jobs.
            resend_unknown: also those with ``max_retries = 0`` whose only request may have arrived.
        """
        return await self.store.redrive(job_ids, resend_unknown=resend_unknown)

    async def clear(self, *job_ids: str) -> list[OperatorResult]:
        """Delete jobs that have ended; each one's fate."""
        return await self.store.clear(job_ids)

    async def stats(self) -> Mapping[str, BackendStats]:
        """Each backend's queue in numbers."""
        return await self.store.stats()

    def runner(self, options: RunnerOptions | None = None, *, transport: Transport | None = None) -> Runner:
        """A runner in this process, an asynchronous context manager; leaving it drains.

        Args:
            options: its settings.
            transport: used for every backend instead of the installed ones, in tests for instance.

        Raises:
            AdapterMissing: no transport is installed for a backend's ``baseUrl``.
        """
        return Runner(
            store=self.store,
            backends=self.backends,
            transports=dict.fromkeys(self.backends, transport) if transport else self._transports(),
            hooks=self._hooks,
            strategies=self.plugins.strategies,
            options=options or RunnerOptions(),
        )

    def _transports(self) -> Mapping[str, Transport]:
        schemes = {name: backend.config.base_url.partition(":")[0] for name, backend in self.backends.items()}
        factories = {scheme: self.plugins.transport(scheme) for scheme in set(schemes.values())}
        made = {factory: factory() for factory in set(factories.values())}
        return {name: made[factories[scheme]] for name, scheme in schemes.items()}

    def _backend(self, name: str) -> Backend:
        if name not in self.backends:
            raise UnknownBackend(backend=name, known=tuple(self.backends))
        return self.backends[name]


def _statements_of(store: Store) -> Statements:
    if store.capabilities.statements:
        return cast("Statements", store)
    joins = "pass your connection to outbox.run(..., connection=...)"
    later = "call outbox.run(...) once your transaction has committed"
    instead = joins if store.capabilities.transactions else later
    raise CallUnsupported(store=store.location, call="statement()", instead=instead)


def _status(name: str) -> JobStatus:
    try:
        return JobStatus(name)
    except ValueError:
        expected = ", ".join(JobStatus)
        raise OptionInvalid(option="status", value=shown(name), expected=f"one of {expected}") from None
