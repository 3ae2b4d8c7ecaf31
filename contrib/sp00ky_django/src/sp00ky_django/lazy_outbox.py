"""Enqueue in the transactions of Django's connection: the outbox that ``settings.SP00KY`` describes."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, NoReturn, Self, TypeVar, Unpack

from django.db import connections, transaction

from sp00ky_core import Job, JobFilter, JobOptions, NewJob, OptionInvalid, Outbox, Payload
from sp00ky_core.backend.backend import Backends
from sp00ky_core.config import Config
from sp00ky_core.errors import CallUnsupported
from sp00ky_core.outbox.enqueue import EnqueueChecks, Transaction
from sp00ky_core.outbox.queries import FindOptions
from sp00ky_core.sync import SyncOutbox
from sp00ky_django.app_settings import app_settings, wrong_setting
from sp00ky_django.store_url import derived_store_url, is_in_memory

__all__ = ["DjangoOutbox", "outbox"]

T = TypeVar("T")

ADDRESS = ("NAME", "HOST", "PORT", "USER", "PASSWORD")
"""Keys of ``DATABASES`` that a test's database has others of."""


class DjangoOutbox(SyncOutbox):
    """The outbox of ``settings.SP00KY``, opened when it is used first, in each process and test database.

    ``run``, ``run_many``, ``get`` and ``find`` work on Django's connection, and see what it sees.
    ``wait``, ``kill``, ``retry`` and the others see what is committed: they open connections of the store's
    own, and close them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._opened: SyncOutbox | None = None
        self._key: tuple[Any, ...] = ()

    @classmethod
    def open(cls, *_: object, **__: object) -> NoReturn:
        """Raise ``CallUnsupported``: the settings say what is opened, and it is at its first use."""
        instead = "import `outbox` from sp00ky_django; of another sp00ky.yml, SyncOutbox.open(...)"
        raise CallUnsupported(store=cls.__name__, call="open()", instead=instead)

    def __enter__(self) -> Self:
        """Return this outbox; leaving the ``with`` closes it, and the next call opens it again."""
        return self

    @property
    def asynchronous(self) -> Outbox:  # type: ignore[override]  # read only, for it is opened late
        """The outbox that it stands on, which isn't open: ``do`` opens one of its own."""
        return self._current().asynchronous

    @property
    def _checks(self) -> EnqueueChecks:  # type: ignore[override]  # likewise
        return self._current()._checks

    @property
    def backends(self) -> Backends:
        """The backends, by name."""
        return self.asynchronous.backends

    @property
    def config(self) -> Config:
        """The sp00ky.yml, read."""
        return self.asynchronous.config

    def run(
        self,
        backend: str,
        path: str,
        payload: Payload | None = None,
        *,
        connection: object = Transaction.OWN,
        autocommit: bool = False,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Enqueue one call of a backend; the job is there when ``transaction.atomic()`` commits.

        Args:
            backend: its name in sp00ky.yml.
            path: an operation of its OpenAPI document: a path, ``PUT /orders/{id}``, or an ``operationId``.
            payload: a JSON object or a model of one, as the operation's contract wants it.
            connection: another one than Django's.
            autocommit: outside ``transaction.atomic()`` the job is committed at once.
            options: when it is due, how often and in what order it is tried, ...: see ``JobOptions``.

        Raises:
            OptionInvalid: it is called outside ``transaction.atomic()``; and as ``SyncOutbox.run``.
            Sp00kyError: as ``SyncOutbox.run``.
        """
        if connection is not Transaction.OWN:
            given: dict[str, Any] = {"connection": connection, "autocommit": autocommit, **options}
            return self._current().run(backend, path, payload, **given)
        with self._writing(autocommit=autocommit) as (opened, django):
            return opened.run(backend, path, payload, connection=django, **options)

    def run_many(
        self,
        backend: str,
        new_jobs: Iterable[NewJob],
        *,
        connection: object = Transaction.OWN,
        autocommit: bool = False,
    ) -> list[Job]:
        """Enqueue calls of a backend, all or none, in one round trip. Raises as ``run``."""
        if connection is not Transaction.OWN:
            return self._current().run_many(backend, new_jobs, connection=connection, autocommit=autocommit)
        with self._writing(autocommit=autocommit) as (opened, django):
            return opened.run_many(backend, new_jobs, connection=django)

    def get(self, job_id: str, *, connection: object = Transaction.OWN) -> Job:
        """Return one job, as Django's transaction sees it. Raises ``JobNotFound``."""
        return self._current().get(job_id, connection=_reading(connection))

    def find(self, *, connection: object = Transaction.OWN, **conditions: Unpack[FindOptions]) -> list[Job]:
        """List jobs, newest first, as Django's transaction sees them; see ``Outbox.find``."""
        return self._current().find(connection=_reading(connection), **conditions)

    def export(
        self, conditions: JobFilter | None = None, *, limit: int | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """Yield all jobs that meet conditions as records, on one connection; see ``Outbox.export``."""
        with self._apart() as opened:
            yield from opened.export(conditions, limit=limit)

    def do(self, call: Callable[[Outbox], Awaitable[T]]) -> T:
        """Do something else with the outbox, on connections of its own, and wait.

        Raises:
            ConfigError: the database is in memory, where nothing but Django's connection reaches it.
        """
        with self._apart() as opened:
            return opened.do(call)

    def close(self) -> None:
        """Let go of what is open; the next call opens it again."""
        with self._lock:
            opened, self._opened, self._key = self._opened, None, ()
        if opened is not None:
            opened.close()

    @contextmanager
    def _apart(self) -> Iterator[SyncOutbox]:
        """Open an outbox for what is done beside Django's connection. Raises as ``do``."""
        app = app_settings()
        if is_in_memory(app.database):
            problem = f"{app.database!r} is in memory, where only run, run_many, get and find work"
            raise wrong_setting("DATABASE", problem, "in tests, set DATABASES[...]['TEST']['NAME'] to a file")
        with SyncOutbox.open(app.config, store=derived_store_url(app)) as opened:
            opened.asynchronous.via = "django"
            yield opened

    def _current(self) -> SyncOutbox:
        """Return the outbox of this process and of the database that Django uses now."""
        app = app_settings()
        key = (os.getpid(), app, *map(connections[app.database].settings_dict.get, ADDRESS))
        with self._lock:
            if self._opened is None or self._key != key:
                self._opened, self._key = SyncOutbox.open(app.config, store=derived_store_url(app)), key
            return self._opened

    @contextmanager
    def _writing(self, *, autocommit: bool) -> Iterator[tuple[SyncOutbox, Any]]:
        opened, alias = self._current(), app_settings().database
        if not autocommit and not _is_in_transaction(alias):
            expected = (
                f"a call inside {_atomic(alias)}; or autocommit=True, if no other write belongs to the job"
            )
            raise OptionInvalid(option="connection", value="outside a transaction", expected=expected)
        with _joined(alias):
            yield opened, connections[alias]


def _reading(connection: object) -> object:
    return connections[app_settings().database] if connection is Transaction.OWN else connection


@contextmanager
def _joined(alias: str) -> Iterator[None]:
    """Be in a transaction: the one that there is, without a savepoint, or one of its own."""
    if connections[alias].in_atomic_block:
        yield
        return
    with transaction.atomic(using=alias):
        yield


def _is_in_transaction(alias: str) -> bool:
    """Tell whether the application has begun a transaction: that of ``TestCase`` around a test is none.

    So that a test finds out that ``transaction.atomic()`` is forgotten.
    """
    connection: Any = connections[alias]
    if not connection.in_atomic_block:
        return not connection.get_autocommit()  # the application manages transactions itself
    blocks = getattr(connection, "atomic_blocks", ())
    return not blocks or not all(getattr(block, "_from_testcase", False) for block in blocks)


def _atomic(alias: str) -> str:
    return "transaction.atomic()" if alias == "default" else f"transaction.atomic(using={alias!r})"


outbox = DjangoOutbox()
"""The outbox of the settings, opened at its first use."""
