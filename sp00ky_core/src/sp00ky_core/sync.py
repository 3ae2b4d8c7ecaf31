"""Enqueue from synchronous code: on a blocking connection, or on an event loop in one thread."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from sp00ky_core.config import Config
from sp00ky_core.encoding.json_bytes import Payload
from sp00ky_core.error_texts import says_former_names
from sp00ky_core.errors import CallUnsupported, OptionInvalid, StoreClosed
from sp00ky_core.job.job import Job, JobOptions, NewJob
from sp00ky_core.job.options import expect
from sp00ky_core.outbox.enqueue import EnqueueChecks, EnqueueStatements, Transaction, check_given, new_job_of
from sp00ky_core.outbox.operators.bulk import BulkResult, check_id
from sp00ky_core.outbox.operators.copies import CopyMatchingOptions, CopyOptions
from sp00ky_core.outbox.operators.jobs import MatchingOptions, RetryMatchingOptions, RetryOptions
from sp00ky_core.outbox.operators.redaction import EraseOptions, RedactionResult, RedactOptions
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.outbox.queries import FindOptions
from sp00ky_core.plugins.dispatch import LAST_MOMENT, OBSERVER_TIMEOUT
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import (
    ActOptions,
    CallerConnection,
    Finding,
    JobFilter,
    JobQuery,
    MigrationStep,
    OperatorResult,
)
from sp00ky_core.stores.named_jobs import NamedJobs

__all__ = ["SyncOutbox"]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)

FORKED = "it was in use when this process was forked; open a SyncOutbox in each process"
CLOSED = "the outbox is closed: use it inside `with SyncOutbox.open(...)`"


class Background:
    """One outbox's loop and its thread; the outbox is opened with it.

    Any number of threads may call at the same time.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._location = outbox.store.location
        self._starting = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._process = 0
        self._is_open = False
        self._closed = False
        self._left: set[Future[None]] = set()

    def reopen(self) -> None:
        """Take calls, again if it was closed."""
        self._closed = False

    def run(self, call: Callable[[Outbox], Awaitable[T]]) -> T:
        """Do something with the open outbox, and wait for it. Raises what it raises."""
        with self._starting:
            loop = self._started()
            if not self._is_open:
                _wait_for(self._outbox.__aenter__(), loop)
                self._is_open = True
        try:
            return _wait_for(_called(call, self._outbox), loop)
        except CancelledError:
            raise StoreClosed(store=self._location, problem=CLOSED) from None

    def leave(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Begin something that no one waits for, but ``close``."""
        with self._starting:
            try:
                loop = self._started()
            except BaseException:
                coroutine.close()
                raise
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        self._left.add(future)
        future.add_done_callback(self._left.discard)

    def close(self) -> None:
        """Let what was left behind end, close the outbox, end the thread."""
        with self._starting:
            self._closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
            if loop is None or thread is None or self._process != os.getpid():
                return
            stubborn = self._wait_for_left()
            if self._is_open:
                self._is_open = False
                _wait_for(self._outbox.__aexit__(None, None, None), loop)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(LAST_MOMENT if stubborn else None)

    def _wait_for_left(self) -> int:
        """Wait for what was left behind, within bounds; return how much of it doesn't end."""
        _, stubborn = wait(self._left.copy(), timeout=OBSERVER_TIMEOUT + LAST_MOMENT)
        if stubborn:
            logger.error("%d calls of observers don't end; they are left behind", len(stubborn))
        return len(stubborn)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            raise StoreClosed(store=self._location, problem=CLOSED)
        if self._loop is None:
            self._loop, self._process = asyncio.new_event_loop(), os.getpid()
            self._thread = Thread(target=_serve, args=(self._loop,), name="sp00ky-outbox", daemon=True)
            self._thread.start()
        elif self._process != os.getpid():
            raise StoreClosed(store=self._location, problem=FORKED)
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped, and cancel what is running then."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop().run_forever()


async def _called(call: Callable[[Outbox], Awaitable[T]], outbox: Outbox) -> T:
    return await call(outbox)


def _wait_for(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    finally:
        future.cancel()  # of an interrupted caller; one that is done stays as it is


@says_former_names
class SyncOutbox(EnqueueStatements):
    """The jobs of one sp00ky.yml, for synchronous code: Django, Flask, scripts.

    ``run``, ``run_many``, ``get`` and ``find`` with your ``connection`` work on that connection, in the
    calling thread. Every other call works on an event loop in one thread, with connections of its own: the
    first of them starts it, ``close`` or leaving a ``with`` ends it. Any number of threads may use one
    outbox. Where processes fork, open one in each, or fork before the first of those other calls.

    Attributes:
        asynchronous: The outbox that it stands on, of which ``do`` calls everything else.
    """

    def __init__(self, outbox: Outbox) -> None:
        self.asynchronous = outbox
        self._hooks = outbox.plugins.hooks()
        self._checks = EnqueueChecks(backends=outbox.backends, hooks=self._hooks, store=outbox.store)
        self._background = Background(outbox)

    @classmethod
    def open(
        cls,
        config: str | Path | Config | None = None,
        *,
        store: str | None = None,
        plugins: Plugins | None = None,
    ) -> Self:
        """Read the configuration and its OpenAPI documents; nothing is connected. See ``Outbox.open``."""
        return cls(Outbox.open(config, store=store, plugins=plugins))

    def __enter__(self) -> Self:
        self._background.reopen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what calls without a ``connection`` have opened, if there was any."""
        self._background.close()

    def run(
        self,
        backend: str,
        path: str,
        payload: Payload | None = None,
        *,
        connection: CallerConnection = Transaction.OWN,
        autocommit: bool = False,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Enqueue one call of a backend.

        Args:
            backend: its name in sp00ky.yml.
            path: an operation of its OpenAPI document: a path, ``PUT /orders/{id}``, or an ``operationId``.
            payload: a JSON object or a model of one, as the operation's contract wants it.
            connection: yours, in a transaction; the job is there when that commits. A psycopg connection or
                cursor, a SQLAlchemy ``Session`` or ``Connection``, Django's ``connections[...]``, a
                ``sqlite3.Connection``.
            autocommit: instead of ``connection``: the job is no part of a transaction, and is there at once.
            options: when it is due, how often and in what order it is tried, ...: see ``JobOptions``.

        Returns:
            The stored job, or the one that ``dedup_key`` found.

        Raises:
            UnknownBackend: no such backend.
            UnknownRoute: no such path in the backend's document, or it can't be called.
            PayloadInvalid: the payload breaks the contract; every violation is listed.
            PayloadError: the payload is no JSON object, or too large.
            OptionInvalid: an option out of its range; neither a ``connection`` nor ``autocommit``, or one
                that is None, closed, asynchronous, or outside a transaction.
            CallUnsupported: the store takes no blocking connection.
            StoreError: the store refused it, or can't be reached.
        """
        _check_mode(connection, autocommit=autocommit)
        checked = self._checks.one(backend, new_job_of(path, payload, options))
        return self._add([checked], connection, autocommit=autocommit)[0]

    def run_many(
        self,
        backend: str,
        new_jobs: Iterable[NewJob],
        *,
        connection: CallerConnection = Transaction.OWN,
        autocommit: bool = False,
    ) -> list[Job]:
        """Enqueue calls of a backend, all or none, in one round trip. Raises as ``run``."""
        _check_mode(connection, autocommit=autocommit)
        checked = self._checks.checked(backend, new_jobs)
        return self._add(checked, connection, autocommit=autocommit) if checked else []

    def get(self, job_id: str, *, connection: CallerConnection = Transaction.OWN) -> Job:
        """Return one job, as your ``connection`` sees it if you give one. Raises ``JobNotFound``."""
        check_id(job_id)
        if check_given(connection) is None:
            return self.do(lambda outbox: outbox.get(job_id))
        return self._jobs("get(connection=)").get_in(connection, job_id)

    def find(
        self, *, connection: CallerConnection = Transaction.OWN, **conditions: Unpack[FindOptions]
    ) -> list[Job]:
        """List jobs, newest first; with ``connection``, those that your transaction sees."""
        if check_given(connection) is None:
            return self.do(lambda outbox: outbox.find(**conditions))
        query = JobQuery(**conditions)
        self._checks.backends.meant(query)
        return self._jobs("find(connection=)").find_in(connection, query)

    def wait(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Return the job once it has ended; see ``Outbox.wait``. Raises ``TimeoutError``, ``JobNotFound``."""
        return self.do(lambda outbox: outbox.wait(job_id, timeout=timeout))

    @overload
    def kill(self, *job_ids: str, **act: Unpack[ActOptions]) -> list[OperatorResult]: ...

    @overload
    def kill(self, **matching: Unpack[MatchingOptions]) -> BulkResult: ...

    def kill(self, *job_ids: str, **options: Any) -> Any:
        """End jobs that are pending or processing; see ``Outbox.kill``."""
        return self.do(lambda outbox: outbox.kill(*job_ids, **options))

    @overload
    def retry(self, *job_ids: str, **options: Unpack[RetryOptions]) -> list[OperatorResult]: ...

    @overload
    def retry(self, **matching: Unpack[RetryMatchingOptions]) -> BulkResult: ...

    def retry(self, *job_ids: str, **options: Any) -> Any:
        """Make failed jobs pending again, with all their retries; see ``Outbox.retry``."""
        return self.do(lambda outbox: outbox.retry(*job_ids, **options))

    @overload
    def copy(self, *job_ids: str, **options: Unpack[CopyOptions]) -> list[Job]: ...

    @overload
    def copy(self, **matching: Unpack[CopyMatchingOptions]) -> BulkResult: ...

    def copy(self, *job_ids: str, **options: Any) -> Any:
        """Enqueue jobs like old ones; see ``Outbox.copy``."""
        return self.do(lambda outbox: outbox.copy(*job_ids, **options))

    def redact(self, *job_ids: str, **options: Unpack[RedactOptions]) -> RedactionResult:
        """Take payload, result and the errors' reasons out of jobs; see ``Outbox.redact``."""
        return self.do(lambda outbox: outbox.redact(*job_ids, **options))

    def erase(self, *job_ids: str, **options: Unpack[EraseOptions]) -> RedactionResult:
        """Kill jobs, wait for their attempts, delete them; see ``Outbox.erase``."""
        return self.do(lambda outbox: outbox.erase(*job_ids, **options))

    def export(
        self, conditions: JobFilter | None = None, *, limit: int | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """Yield all jobs that meet conditions as records; see ``Outbox.export``."""
        records = self.asynchronous.export(conditions, limit=limit)
        try:
            while (record := self.do(lambda _: anext(records, None))) is not None:
                yield record
        finally:
            with suppress(StoreClosed):  # then its records are closed, too
                self.do(lambda _: records.aclose())

    def import_jobs(
        self, file: Path | str, *, dry_run: bool = False, **act: Unpack[ActOptions]
    ) -> BulkResult:
        """Insert the jobs of a file that was exported; see ``Outbox.import_jobs``."""
        return self.do(lambda outbox: outbox.import_jobs(file, dry_run=dry_run, **act))

    def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """Create or extend the tables; see ``Outbox.migrate``."""
        return self.do(lambda outbox: outbox.migrate(repair=repair))

    def check(self) -> list[Finding]:
        """Find what is wrong with the tables; see ``Outbox.check``."""
        return self.do(lambda outbox: outbox.check())

    def do(self, call: Callable[[Outbox], Awaitable[T]]) -> T:
        """Do something else with the outbox, on its event loop, and wait for it."""
        return self._background.run(call)

    def _add(self, checked: list[NewJob], connection: object, *, autocommit: bool) -> list[Job]:
        if autocommit:
            jobs = self.do(lambda outbox: outbox.jobs.add(checked))
        else:
            jobs = self._jobs("run(connection=)").add_in(connection, checked)
        if self._hooks.observes("sp00ky_job_enqueued"):
            self._hooks.dispatch_blocking("sp00ky_job_enqueued", self._background.leave, jobs=jobs)
        return jobs

    def _jobs(self, call: str) -> NamedJobs:
        store = self._checks.store
        if not store.capabilities.synchronous:
            statement = "put outbox.statement(...) into your transaction"
            later = "call outbox.run(..., autocommit=True) once your transaction has committed"
            instead = statement if store.capabilities.statements else later
            raise CallUnsupported(store=store.location, call=call, instead=instead)
        return NamedJobs(store, self._checks.backends)


def _check_mode(connection: object, *, autocommit: bool) -> None:
    if connection is None or (connection is Transaction.OWN and not autocommit):
        expected = "your connection; or autocommit=True where the job is no part of a transaction of yours"
        value = "left out" if connection is Transaction.OWN else "None"
        raise OptionInvalid(option="connection", value=value, expected=expected)
    expected = "left out where a connection is given: its transaction decides"
    expect("autocommit", autocommit, expected, met=connection is Transaction.OWN or not autocommit)
