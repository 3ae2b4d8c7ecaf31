"""Check what is to be enqueued, for both outboxes; nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Unpack, overload

import attrs

from sp00ky_core.backend.backend import Backend, Backends
from sp00ky_core.backend.validation import validated
from sp00ky_core.encoding.json_bytes import Payload
from sp00ky_core.error_texts import nearest, shown
from sp00ky_core.errors import OptionInvalid, Sp00kyError
from sp00ky_core.job.job import JobOptions, NewJob
from sp00ky_core.job.options import expect
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.ports import (
    ParamStyle,
    SqlStatement,
    SqlStatements,
    Statement,
    Statements,
    Store,
    has,
    needed,
)

__all__ = ["EnqueueChecks", "EnqueueStatements", "Transaction", "check_given", "new_job_of"]


class Transaction(Enum):
    """Stands for a transaction that wasn't given."""

    OWN = "the store's own transaction"


def check_given(connection: object) -> object:
    """Return a connection that was given; None: none was.

    Refuses None, which is what is left of a lost transaction: its job must not be committed.
    """
    expected = "your connection; leave it out where the job is no part of a transaction of yours"
    expect("connection", connection, expected, met=connection is not None)
    return None if connection is Transaction.OWN else connection


def new_job_of(path: str, payload: Payload | None, options: JobOptions) -> NewJob:
    """Make the job of one call, for a backend that ``EnqueueChecks.checked`` sets.

    Raises:
        TypeError: no such option; names the nearest.
    """
    try:
        return NewJob(path=path, payload={} if payload is None else payload, **options)
    except TypeError:
        for name in options:
            if name not in JobOptions.__annotations__:
                hint = nearest(name, JobOptions.__annotations__)
                raise TypeError(f"a job has no option {name!r}; {hint}") from None
        raise


@attrs.frozen(kw_only=True)
class EnqueueChecks:
    """Check new jobs against their backends' contracts, and give them their trace context.

    Attributes:
        backends: By name.
        hooks: Of the plugins.
        store: What the jobs are for.
    """

    backends: Backends
    hooks: Hooks
    store: Store

    def checked(self, backend: str, new_jobs: Iterable[NewJob]) -> list[NewJob]:
        """Return jobs as the store is to have them; raises as ``Outbox.run_many``, and says which it is."""
        target, checked = self.backends.named(backend), list[NewJob]()
        for new_job in _own(target.name, new_jobs):
            try:
                checked.append(self._checked(target, new_job))
            except Sp00kyError as error:
                error.add_note(f"it is new_jobs[{len(checked)}]")
                raise
        return checked

    def one(self, backend: str, new_job: NewJob) -> NewJob:
        """Return one job that has no backend yet as ``checked`` does, without the note."""
        return self._checked(self.backends.named(backend), new_job)

    def _checked(self, backend: Backend, new_job: NewJob) -> NewJob:
        checked = backend.stored(validated(backend, new_job))
        return self.hooks.traced(checked, backend.config) if self.hooks.traces else checked


class EnqueueStatements:
    """Make statements that enqueue in the caller's own transaction; a base of both outboxes."""

    _checks: EnqueueChecks

    @overload
    def statement(
        self,
        backend: str,
        path: str,
        payload: Payload | None = ...,
        *,
        paramstyle: None = ...,
        **options: Unpack[JobOptions],
    ) -> Statement: ...

    @overload
    def statement(
        self,
        backend: str,
        path: str,
        payload: Payload | None = ...,
        *,
        paramstyle: ParamStyle,
        **options: Unpack[JobOptions],
    ) -> SqlStatement: ...

    def statement(
        self,
        backend: str,
        path: str,
        payload: Payload | None = None,
        *,
        paramstyle: ParamStyle | None = None,
        **options: Unpack[JobOptions],
    ) -> Statement | SqlStatement:
        """Return text and bindings that enqueue one call, for a transaction of your own.

        The arguments are those of ``run``, and are checked as there; nothing is sent. On SurrealDB, where
        transactions are text, a ``Statement``: a part of a second in ``timeout`` is rounded up. On PostgreSQL
        an ``SqlStatement``, with parameters in a ``paramstyle`` (``pyformat``); where a ``dedup_key`` is
        taken it returns no row. ``sp00ky_job_enqueued`` doesn't fire: no commit is seen here.

        Raises:
            CallUnsupported: the store has no such thing; says what to use instead.
            Sp00kyError: as ``run``.
        """
        store = self._checks.store
        checked = self._checks.one(backend, new_job_of(path, payload, options))
        if (sql := has(store, SqlStatements)) is not None:
            return sql.sql_statement(checked, "pyformat" if paramstyle is None else paramstyle)
        if store.capabilities.statements:
            expected = f"left out: statements of {store.location} have variables, and no style"
            expect("paramstyle", paramstyle, expected, met=paramstyle is None)
        joins = "pass your connection to outbox.run(..., connection=...)"
        later = "call outbox.run(...) once your transaction has committed"
        instead = joins if store.capabilities.transactions else later
        return needed(store, Statements, "statement()", instead).statement(checked)


def _own(backend: str, new_jobs: object) -> Iterator[NewJob]:
    if not isinstance(new_jobs, Iterable):
        raise OptionInvalid(option="new_jobs", value=shown(new_jobs), expected="a list of NewJob")
    for index, new_job in enumerate(new_jobs):
        if not isinstance(new_job, NewJob):
            given = type(new_job).__name__
            raise OptionInvalid(option=f"new_jobs[{index}]", value=f"of type {given}", expected="a NewJob")
        if new_job.backend not in ("", backend):
            expected = f"{backend!r}, which the call names, or nothing"
            raise OptionInvalid(
                option=f"new_jobs[{index}].backend", value=shown(new_job.backend), expected=expected
            )
        yield new_job
