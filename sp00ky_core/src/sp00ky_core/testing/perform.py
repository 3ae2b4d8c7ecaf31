"""Perform a test's jobs with answers that it gives, or by its own application; make outboxes for tests."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypeAlias, cast, overload

import attrs

from sp00ky_core.backend.backend import Backend, queues, store_tables, stored_table
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.encoding.json_bytes import JsonText, Payload, encode, json_value
from sp00ky_core.errors import PayloadNotJson
from sp00ky_core.job.job import Job, JobStatus, job_to_json
from sp00ky_core.job.outcome import (
    DEFERRED_NAMES,
    HTTP_STATUS,
    OUTCOME_UNKNOWN,
    SNOOZED,
    THROTTLED,
    WAITING,
    Delivered,
    Outcome,
    Undelivered,
)
from sp00ky_core.job.state_machine import Deferred
from sp00ky_core.outbox.enqueue import Transaction
from sp00ky_core.outbox.outbox import Outbox, load_project
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import MAX_LIMIT, Attempt, JobTable, Store, StoreOptions, Transport
from sp00ky_core.runner.attempt import Attempts
from sp00ky_core.runner.holdings import Held
from sp00ky_core.runner.options import RunnerOptions, new_runner_id
from sp00ky_core.runner.settle import Decider
from sp00ky_core.stores.without_waiting import finished
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing.enqueued import find_whole, name_of_route
from sp00ky_store_kit.memory import MemoryStore, MemoryTransaction

__all__ = ["Answer", "Response", "ScriptedTransport", "deliver_all", "perform_jobs"]
__all__ += ["FakeClock", "memory_outbox", "outbox_over"]

Answer: TypeAlias = Payload | Sequence[object] | str | int | float | Delivered | Undelivered | None
"""A whole number is an HTTP status; any other JSON value, or a model, is the result of a success."""

Response: TypeAlias = Answer | Callable[[Job], Answer | Awaitable[Answer]]
"""An answer; a tuple of answers for one attempt after the other, of which the last one stays; a function."""

THROTTLING_STATUS = 429


class AnsweringTransport:
    """Sends nothing: it answers by operation, else by what a backend has for tests, else with a success.

    Attributes:
        error: Raised by a test's function; it is the test's, and no backend's.
    """

    def __init__(self, responses: Mapping[str, Response], own: Mapping[str, Transport]) -> None:
        self._responses = responses
        self._own = own  # by backend
        self._attempts: Counter[str] = Counter()
        self.error: Exception | None = None

    async def open(self) -> None:
        """See ``Transport.open``."""
        for transport in self._own.values():
            await transport.open()

    async def close(self) -> None:
        """See ``Transport.close``."""
        for transport in self._own.values():
            await transport.close()

    async def deliver(self, attempt: Attempt) -> Outcome:
        """See ``Transport.deliver``."""
        own = self._own.get(attempt.backend.name)
        if own is not None and self._responses.keys().isdisjoint(attempt.operation.spellings):
            return await own.deliver(attempt)
        try:
            return _outcome(await self._answer(attempt))
        except Exception as error:  # noqa: BLE001  # the test's own function may raise anything
            self.error = error
            return Undelivered(name=OUTCOME_UNKNOWN, reason="the test's response raised an error")

    async def _answer(self, attempt: Attempt) -> Answer:
        job, spellings = attempt.job, attempt.operation.spellings
        response = next((self._responses[text] for text in spellings if text in self._responses), None)
        if isinstance(response, tuple):
            turn = min(self._attempts[job.id], len(response) - 1)
            self._attempts[job.id] += 1
            response = cast("Response", response[turn]) if response else None
        answer = response(job) if callable(response) else response
        return await answer if isawaitable(answer) else answer


def _outcome(answer: Answer) -> Outcome:
    if isinstance(answer, Delivered | Undelivered):
        return answer
    if not isinstance(answer, int) or isinstance(answer, bool):
        try:
            return Delivered(result=None if answer is None else JsonText(encode(json_value(answer))))
        except PayloadNotJson as error:
            where = error.pointer.removeprefix("/value")
            raise TypeError(f"a response must be JSON: {where or 'itself'}: {error.problem}") from None
    if 200 <= answer < 300:  # noqa: PLR2004  # HTTP's statuses of a success
        return Delivered(code=answer)
    name = THROTTLED if answer == THROTTLING_STATUS else HTTP_STATUS
    return Undelivered(code=answer, name=name, reason=f"the test answers {answer}")


Script = Callable[[Attempt], Outcome | Awaitable[Outcome]]
"""Gives what comes of an attempt; it may be asynchronous."""


def deliver_all(_attempt: Attempt) -> Outcome:
    """Deliver every attempt, with no result."""
    return Delivered()


class ScriptedTransport:
    """Records every attempt, in the order in which they began."""

    def __init__(self, script: Script = deliver_all) -> None:
        self.script = script
        self.attempts: list[Attempt] = []
        self.in_flight: int = 0
        self.most_in_flight: int = 0
        self.is_open: bool = False
        self._changed = asyncio.Condition()

    async def open(self) -> None:
        """See ``Transport.open``."""
        self.is_open = True

    async def close(self) -> None:
        """See ``Transport.close``."""
        self.is_open = False

    async def deliver(self, attempt: Attempt) -> Outcome:
        """See ``Transport.deliver``; but for a script that raises."""
        self.attempts.append(attempt)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        async with self._changed:
            self._changed.notify_all()
        try:
            outcome = self.script(attempt)
            return await outcome if isinstance(outcome, Awaitable) else outcome
        finally:
            self.in_flight -= 1

    async def began(self, count: int, *, within: float = 60.0) -> list[Attempt]:
        """Wait until so many attempts have begun; all of them. Raises ``TimeoutError``."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.attempts) >= count)
        return self.attempts


MOST_THROTTLED = 10
"""Throttled answers to a job; those after them count as attempts, as they do after ``giveUpAfter``."""


@overload
def perform_jobs(
    outbox: SyncOutbox, responses: Mapping[str, Response] | None = ..., *, connection: object = ...
) -> list[Job]: ...


@overload
def perform_jobs(
    outbox: Outbox, responses: Mapping[str, Response] | None = ..., *, connection: object = ...
) -> Coroutine[Any, Any, list[Job]]: ...


def perform_jobs(
    outbox: Outbox | SyncOutbox,
    responses: Mapping[str, Response] | None = None,
    *,
    connection: object = Transaction.OWN,
) -> list[Job] | Coroutine[Any, Any, list[Job]]:
    """Deliver the jobs that are due, and those that these lead to, until none is; return them as they ended.

    Awaited for an ``Outbox``, called for a ``SyncOutbox``. Nothing leaves this process, and nothing waits: a
    retry is due at once. What the runner heeds is heeded: contracts, retries, order, pauses, plugins,
    observers; but for breakers. A job that is due later stays pending: ``reschedule(job.id, now=True)`` makes
    it due.

    Args:
        outbox: where.
        responses: by operation, in any spelling: the result of a success, an HTTP status, a ``Delivered`` or
            ``Undelivered``, a function of the job that returns one of these, or a tuple of them, one for each
            attempt. Of those that are left out, functions of your own application (``asgi:``) are called, in
            this loop and without its lifespan; any other succeeds without a result.
        connection: that of an open transaction. Its jobs, and the others that are pending, are performed in
            memory and returned as they would have ended; the database's rows stay as they are.

    Raises:
        UnknownRoute: a response is for an operation that no backend has.
        Exception: what a response's function raises; its job is pending again.
    """
    responses = responses or {}
    asynchronous = outbox.asynchronous if isinstance(outbox, SyncOutbox) else outbox
    for path in responses:
        name_of_route(asynchronous.backends, None, path)
    if connection is Transaction.OWN or commits_at_once(asynchronous, connection):
        if isinstance(outbox, SyncOutbox):
            return outbox.do(lambda own: _Performance(own, responses).run())
        return _Performance(outbox, responses).run()
    if isinstance(outbox, Outbox):
        return _perform_copies(outbox, responses, connection)
    jobs = finished(find_whole(outbox, connection, status=JobStatus.PENDING, limit=MAX_LIMIT))
    with SyncOutbox(outbox_of_jobs(asynchronous, jobs)) as copy:
        return copy.do(lambda own: _Performance(own, responses).run())


async def _perform_copies(outbox: Outbox, responses: Mapping[str, Response], connection: object) -> list[Job]:
    jobs = await find_whole(outbox, connection, status=JobStatus.PENDING, limit=MAX_LIMIT)
    return await _Performance(outbox_of_jobs(outbox, jobs), responses).run()


def _own_transports(outbox: Outbox) -> dict[str, Transport]:
    """Make what delivers in tests to the backends that are in a test's own process."""
    known = outbox.plugins.transports
    entries = {name: known.get(backend.config.transport_name) for name, backend in outbox.backends.items()}
    made = {name: entry.in_tests() for name, entry in entries.items() if entry and entry.in_tests}
    for transport in made.values():
        outbox.give_extensions(transport)
    return made


class _Performance:
    """Claims, attempts and settles one job after the other, in the order in which a runner claims them."""

    def __init__(self, outbox: Outbox, responses: Mapping[str, Response]) -> None:
        self._outbox, self._store, self._hooks = outbox, outbox.store, outbox.plugins.hooks()
        self._backends = queues(outbox.backends)
        self._tables = {name: stored_table(backend) for name, backend in self._backends.items()}
        self._transport = AnsweringTransport(responses, _own_transports(outbox))
        self._options = RunnerOptions(random=lambda: 0.5)
        transports = dict.fromkeys(outbox.backends, self._transport)
        self._attempts = Attempts(transports, self._hooks, self._options)
        self._decider = Decider(self._hooks, outbox.plugins.strategies, self._options)
        self._throttled: Counter[str] = Counter()

    async def run(self) -> list[Job]:
        """Perform all; return the jobs in the order of their first attempts."""
        runner_id, ids = new_runner_id("perform_jobs"), dict[str, None]()
        await self._transport.open()
        try:
            while jobs := await self._claim(runner_id):
                for job in jobs:
                    ids[job.id] = None
                    await self._perform(job)
        finally:
            await self._transport.close()
            await self._store.release(runner_id, keep=())
            await self._hooks.flush()
        return [await self._outbox.get(job_id) for job_id in ids]

    async def _claim(self, runner_id: str) -> Sequence[Job]:
        while True:
            jobs = await self._store.claim(dict.fromkeys(self._tables, 1), runner_id)
            if jobs or not jobs.retry_in:
                return jobs
            await asyncio.sleep(min(jobs.retry_in.values()))  # a backend's `rate`, in a real database

    async def _perform(self, job: Job) -> None:
        held = self._held(job)
        await self._hooks.dispatch("sp00ky_jobs_claimed", jobs=[held.job], runner_id=job.runner_id)
        begun = self._attempts.begin(held)
        outcome = self._attempts.outcome(held, begun if isinstance(begun, Undelivered) else await begun)
        if self._transport.error is not None:
            raise self._transport.error
        settlement = self._decider.settlement(held, self._deferred(held, outcome))
        is_snoozed = isinstance(outcome, Undelivered) and outcome.name in {SNOOZED, WAITING}
        if settlement.transition.delay is not None and not is_snoozed:  # a retry, which is due at once
            settlement = attrs.evolve(settlement, transition=attrs.evolve(settlement.transition, delay=0.0))
        (result,) = await self._store.settle([settlement])
        transition = settlement.as_written(result).transition
        await self._hooks.dispatch("sp00ky_job_settled", job=held.job, transition=transition)

    def _held(self, job: Job) -> Held:
        backend, now = self._backends[job.backend].serving(job.path), self._options.clock()
        return Held(
            job=attrs.evolve(job, backend=backend.name),
            backend=backend,
            check=backend.contract.check(job.path),
            table=self._tables[job.backend],
            timeout=backend.table.attempt_timeout(job.timeout),
            claimed_at=now,
            received_at=now,
        )

    def _deferred(self, held: Held, outcome: Outcome) -> Outcome | Deferred:
        """Defer a job whose backend throttles, so many times."""
        if isinstance(outcome, Delivered) or outcome.name not in DEFERRED_NAMES:
            return outcome
        if outcome.name == WAITING:
            return Deferred(delay=outcome.again_in or 0.0, outcome=outcome, rests=True)
        self._throttled[held.job.id] += 1
        give_up_after = held.retry.give_up_after
        waited = 2 * give_up_after if self._throttled[held.job.id] > MOST_THROTTLED else 0.0
        return Deferred(
            delay=outcome.again_in or 0.0, outcome=outcome, waited=waited, give_up_after=give_up_after
        )


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
