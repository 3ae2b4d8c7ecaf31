"""The outbox: what an application calls to enqueue, to watch, and to look after its jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

import attrs

from sp00ky_core.backend.backend import (
    DELIVER_HERE,
    Backend,
    Backends,
    serving,
    store_tables,
    strangers,
    stuck_finding,
)
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.backend.validation import TimeoutIgnored
from sp00ky_core.config import BackendConfig, Config, find_config, refuse_unread, refuse_unready, store_url
from sp00ky_core.encoding.json_bytes import Payload
from sp00ky_core.error_texts import EXTENSIONS, install_hint, says_former_names
from sp00ky_core.errors import AdapterMissing
from sp00ky_core.job.job import Job, JobOptions, NewJob
from sp00ky_core.outbox.enqueue import EnqueueChecks, EnqueueStatements, Transaction, check_given, new_job_of
from sp00ky_core.outbox.operators.export_import import JobMoves
from sp00ky_core.outbox.operators.fleet import FleetOperators
from sp00ky_core.outbox.operators.redaction import JobRedaction
from sp00ky_core.plugins.registry import Plugins, load_config, load_plugins
from sp00ky_core.ports import (
    CallerConnection,
    ExtensionTransport,
    Finding,
    FindsExtensions,
    Gauge,
    Grants,
    MigrationStep,
    PreparedTransport,
    RunnerInfo,
    RunnerState,
    Store,
    StoreOptions,
    Transport,
    TransportFactory,
    Use,
)
from sp00ky_core.stores.named_jobs import LoopStore

if TYPE_CHECKING:  # who only enqueues or lists jobs starts without
    from sp00ky_core.runner import Runner, RunnerOptions

__all__ = ["Outbox", "TimeoutIgnored"]

T = TypeVar("T")


def load_project(
    config: str | Path | Config | None, plugins: Plugins | None
) -> tuple[Config, Plugins, Backends]:
    """Read a configuration and its OpenAPI documents; arguments and errors as of ``Outbox.open``."""
    plugins = plugins or load_plugins()
    if not isinstance(config, Config):
        config = load_config(Path(config or find_config()), plugins=plugins)
    return config, plugins, load_backends(config, frozenset(plugins.strategies), plugins.transports)


@says_former_names
class Outbox(JobRedaction, FleetOperators, JobMoves, EnqueueStatements):
    """The jobs of one sp00ky.yml, in one store.

    Made by ``Outbox.open``; an asynchronous context manager. One outbox serves any number of tasks.
    """

    def __init__(
        self, config: Config, *, store: Store, plugins: Plugins, backends: Mapping[str, Backend]
    ) -> None:
        self.config = config
        self._loop_store = LoopStore(store)
        self.plugins = plugins
        self.backends: Backends = Backends(backends, getattr(backends, "left_out", config.left_out))
        self._hooks = plugins.hooks()
        self._states: dict[str, dict[str, object]] = {}  # what extensions keep in this process
        self._checks = EnqueueChecks(backends=self.backends, hooks=self._hooks, store=self.store)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """Return an extension's calls by the key that it reads, as ``extension`` does by its class."""
            plugins = vars(self).get("plugins")
            if plugins is not None and name in plugins.extensions:
                return self.extension(plugins.extensions[name].api)
            hint = f": {install_hint(EXTENSIONS[name])}" if name in EXTENSIONS else ""
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}{hint}")

    def extension(self, api: type[T]) -> T:
        """Return an extension's calls, as in ``outbox.extension(Webhooks)``.

        Raises:
            AdapterMissing: The distribution that brings it isn't installed.
        """
        return self.extensions.of(api)

    async def check(self, *, use: Use = Use.RUN) -> list[Finding]:
        """Find what is wrong with the tables and the extensions, each with its consequence and its fix.

        Where a migration is to be made that is said first, and nothing of the extensions, which need it; nor
        where the database's role lacks a right.

        Args:
            use: What the database's role is for; one that only enqueues needn't see what others need.
        """
        stores = await self._of_store(use)
        if use is Use.ENQUEUE:
            return [*map(self.extensions.blamed, stores)]
        is_migrated = not any(one.stops_jobs and (one.awaits_migration or one.is_granted) for one in stores)
        found = [*map(self.extensions.blamed, stores)]
        found += await self.extensions.findings(are_migrated=is_migrated)
        found.sort(key=lambda one: one.place)
        return found if any(one.stops_jobs for one in found) else [*found, *await self._fleet_findings()]

    async def _of_store(self, use: Use) -> list[Finding]:
        found = await super().check()
        if use is Use.RUN or not isinstance(self.store, Grants):
            return found
        lacking = await self.store.lacking()
        return [*lacking[use], *(one for one in found if one not in lacking[Use.RUN])]

    async def _measure_extensions(self) -> list[Gauge]:
        return await self.extensions.metrics()

    async def other_services(self) -> list[Finding]:
        """Find tables of this service that a live runner of another one serves."""
        return [*strangers(self.backends.values(), await self._living())]

    async def _fleet_findings(self) -> list[Finding]:
        living = await self._living()
        stuck = [stuck_finding(runner_id, info) for runner_id, info in living.items() if info.stuck]
        return [*strangers(self.backends.values(), living), *stuck]

    async def _living(self) -> Mapping[str, RunnerInfo]:
        runners = await self.store.runners()
        return {runner.id: runner.info for runner in runners if runner.state is RunnerState.RUNNING}

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
        config, plugins, backends = load_project(config, plugins)
        options = StoreOptions(
            url=store_url(config, store).value,
            tables=store_tables(backends),
            directory=config.file.parent,
            surrealdb=config.surrealdb,
            extension_tables=plugins.kept_tables,
        )
        return cls(config, store=plugins.made_store(options), plugins=plugins, backends=backends)

    async def __aenter__(self) -> Self:
        await self._loop_store.open()
        try:
            if not self.store.capabilities.shared:
                await self._migrate_if_new()
        except BaseException:
            await self._loop_store.close()
            raise
        return self

    async def _migrate_if_new(self) -> None:
        """Migrate an embedded database without any job table: it is new, there is no schema to respect."""
        created = {step.table for step in await self.store.migration() if step.creates_table}
        if not self.store.capabilities.durable or all(
            backend.table.table in created for backend in self.backends.values()
        ):
            await self.store.migrate()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._hooks.flush()
        await self._loop_store.close()

    async def run(
        self,
        backend: str,
        path: str,
        payload: Payload | None = None,
        *,
        connection: CallerConnection = Transaction.OWN,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Enqueue one call of a backend.

        Args:
            backend: its name in sp00ky.yml.
            path: an operation of its OpenAPI document: a path, ``PUT /orders/{id}``, or an ``operationId``.
            payload: a JSON object or a model of one, as the operation's contract wants it.
            connection: the caller's; the job is there when its transaction commits. Left out: at once.
            options: when it is due, how often and in what order it is tried, ...: see ``JobOptions``.

        Returns:
            The stored job, or the one that ``dedup_key`` found.

        Raises:
            UnknownBackend: no such backend.
            UnknownRoute: no such path in the backend's document, or it can't be called.
            PayloadInvalid: the payload breaks the contract; every violation is listed.
            PayloadError: the payload is no JSON object, or too large.
            OptionInvalid: an option out of its range, or None as ``connection``: a transaction that was lost.
            StoreError: the store refused it, or can't be reached.
        """
        given = check_given(connection)
        checked = self._checks.one(backend, new_job_of(path, payload, options))
        return (await self._add([checked], given))[0]

    async def run_many(
        self, backend: str, new_jobs: Iterable[NewJob], *, connection: CallerConnection = Transaction.OWN
    ) -> list[Job]:
        """Enqueue calls of a backend, all or none, in one round trip.

        Raises as ``run``, with a note of which job it is (``new_jobs[3]``), and ``OptionInvalid`` for what is
        no ``NewJob``, or one for another backend; nothing was written.
        """
        given = check_given(connection)
        return await self._add(self._checks.checked(backend, new_jobs), given)

    async def _add(self, checked: list[NewJob], connection: object) -> list[Job]:
        jobs = await self._jobs_with(connection).add(checked, connection=connection) if checked else []
        if self._hooks.observes("sp00ky_job_enqueued"):
            await self._hooks.dispatch("sp00ky_job_enqueued", jobs=jobs)
        return jobs

    def acting_through(self, via: str) -> Self:
        """Return this outbox, of whose acts the audit says that they come through something else.

        It is open as long as this one is.
        """
        other = copy(self)
        other.via = via
        return other

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """Create or extend the tables, and have extensions do what the file says; return what was done.

        As ``sp00ky migrate [--repair]`` does. Raises ``ConfigError`` where nothing installed reads a section.
        """
        refuse_unread(self.config)
        steps = await self.store.migrate(repair=repair)
        await self.extensions.sync()
        return steps

    def runner(
        self,
        options: RunnerOptions | None = None,
        *,
        transport: Transport | None = None,
        backends: Iterable[str] | None = None,
    ) -> Runner:
        """Make a runner in this process, an asynchronous context manager; leaving it drains.

        Args:
            options: its settings.
            transport: used for every backend instead of the installed ones, in tests for instance.
            backends: the names of those that it serves, with those that share their tables; by default all.

        Raises:
            AdapterMissing: no transport is installed for a backend's ``baseUrl``.
            ConfigError: a variable that a backend needs isn't set, its ``tokenFile`` can't be read, it has
                limits that the store doesn't keep, or no backend is delivered here.
            UnknownBackend: one of ``backends`` isn't configured, or isn't delivered here.
        """
        from sp00ky_core.runner import Runner, RunnerOptions  # noqa: PLC0415  # see above

        options = options or RunnerOptions()
        served = self._served(backends)
        transports = dict.fromkeys(served, transport) if transport else self._transports(served)
        if transport is None:
            refuse_unready(self.config, served)
        runner = Runner(
            store=self.store,
            backends=served,
            transports=transports,
            hooks=self._hooks,
            strategies=self.plugins.strategies,
            options=options,
            extensions=self.extensions.work(),
        )
        self.measures.add(runner.observer.counters, runner)
        return runner

    def _served(self, backends: Iterable[str] | None) -> Mapping[str, Backend]:
        served = serving(self.backends, backends)
        if not served:
            problem = "Sp00ky's scheduler runs the jobs of all of them, on pools of machines"
            raise self.config.error("backends", problem, DELIVER_HERE)
        return served

    def transport_factories(self, backends: Iterable[str] | None = None) -> Mapping[str, TransportFactory]:
        """Find what makes each backend's transport. Raises ``AdapterMissing``."""
        served = serving(self.backends, backends)
        return {name: self._transport_of(backend.config) for name, backend in served.items()}

    def prepared_transports(self) -> Iterator[tuple[PreparedTransport, list[BackendConfig]]]:
        """Make each transport that has something to prepare, and yield it with its backends."""
        try:
            factories = self.transport_factories()
        except AdapterMissing:
            return
        for factory in dict.fromkeys(factories.values()):
            transport = factory()
            if isinstance(transport, PreparedTransport):
                ours = [name for name, made_by in factories.items() if made_by is factory]
                yield transport, [self.backends[name].config for name in ours]

    def _transport_of(self, backend: BackendConfig) -> TransportFactory:
        key = "transport" if backend.transport else "baseUrl"
        try:
            return self.plugins.transport(backend.transport_name)
        except AdapterMissing as error:
            raise attrs.evolve(error, wanted_by=f"backends.{backend.name}.{key}") from None

    def _transports(self, backends: Iterable[str]) -> Mapping[str, Transport]:
        factories = self.transport_factories(backends)
        made = {factory: factory() for factory in set(factories.values())}
        for transport in made.values():
            self.give_extensions(transport)
        return {name: made[factory] for name, factory in factories.items()}

    def give_extensions(self, transport: Transport) -> None:
        """Give a transport the calls of the extension that it belongs to, or what finds those of any."""
        if isinstance(transport, ExtensionTransport):
            transport.use(self.extension(transport.api))
        if isinstance(transport, FindsExtensions):
            transport.find_extensions(self.extension)
