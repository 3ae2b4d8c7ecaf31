"""Enqueue jobs like old ones, one by one or all that meet conditions, also to another backend."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Unpack, overload

import attrs

from sp00ky_core.backend.backend import Backends
from sp00ky_core.encoding.json_bytes import JsonText
from sp00ky_core.errors import OptionInvalid, Sp00kyError
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.options import expect
from sp00ky_core.outbox.enqueue import EnqueueChecks
from sp00ky_core.outbox.operators.audit import act_of, recorded
from sp00ky_core.outbox.operators.bulk import COPY, Action, BulkResult, Selection, imported, last_of
from sp00ky_core.outbox.operators.jobs import JobOperators, MatchingOptions
from sp00ky_core.ports import ActOptions, JobFilter, JobQuery, OperatorFate, OperatorResult
from sp00ky_core.stores.decisions import BEGINNING
from sp00ky_core.stores.ids import job_id, new_keys
from sp00ky_core.stores.rows import new_row

__all__ = ["copying"]

OPTIONS = ("assigned_to", "max_retries", "retry_strategy", "timeout", "priority", "ordering_key")
"""Options of a job that its copies have, too."""


def copying(backends: Backends, target: str | None) -> Action:
    """Return the action that copies jobs; to a backend, those of all others. Raises ``UnknownBackend``."""
    if target is None:
        return COPY
    others = (name for name in backends if name != backends.named(target).name)
    return attrs.evolve(COPY, backends=tuple(others))


class CopyOptions(ActOptions, total=False):
    """Say how jobs are copied; see ``Outbox.copy``.

    Attributes:
        backend: Enqueue them to this one instead.
        payload: Another payload; None: each its own.
    """

    backend: str | None
    payload: Any


class CopyMatchingOptions(MatchingOptions, total=False):
    """Choose the jobs that meet conditions, and say how they are copied.

    Attributes:
        backend: Enqueue those of all other backends to this one instead.
    """

    backend: str | None


class JobCopies(JobOperators):
    """Copy jobs; a base of ``Outbox``."""

    _checks: EnqueueChecks

    @overload
    async def copy(self, *job_ids: str, **options: Unpack[CopyOptions]) -> list[Job]: ...

    @overload
    async def copy(self, **matching: Unpack[CopyMatchingOptions]) -> BulkResult: ...

    async def copy(
        self,
        *job_ids: str,
        filter: JobFilter | None = None,  # noqa: A002  # as in ``kill``
        limit: int | None = None,
        backend: str | None = None,
        payload: Any = None,
        **act: Unpack[ActOptions],
    ) -> list[Job] | BulkResult:
        """Enqueue jobs like old ones; each says of which it is one (``copied_from``), and has no dedup key.

        They are checked as every new job is. Of its ordering key a copy is the last; of jobs that meet a
        filter the oldest is copied first.

        Args:
            job_ids: The old ones, whatever became of them; or
            filter: the conditions that they meet, of those that have ended; 100 at a time.
            limit: With ``filter``, at most so many, the newest.
            backend: Enqueue them to this one instead; with ``filter``, those of all other backends, unless it
                names one. None: each to its own.
            payload: With ids, another payload; None: each its own.
            act: ``reason`` and ``actor``, for the audit.

        Returns:
            The new jobs, in order; with ``filter`` the numbers of them.

        Raises:
            JobNotFound: There is none of such an id.
            Sp00kyError: As ``run``, with ids; none of them was copied.
        """
        selection = Selection(job_ids, filter, limit)
        if filter is None:
            return await self._copy_named(selection, backend, payload, **act)
        expect("payload", payload, "left out: a filter goes without", met=payload is None)
        return await last_of(self.copy_steps(filter, limit=limit, backend=backend, **act))

    def copy_steps(
        self,
        conditions: JobFilter,
        *,
        limit: int | None = None,
        backend: str | None = None,
        **act: Unpack[ActOptions],
    ) -> AsyncGenerator[BulkResult, None]:
        """Do as ``copy`` to the jobs that meet conditions; yield how far it has come after each batch."""
        selection = Selection((), conditions, limit)
        said = act_of("copy", {**selection.described(), "to": backend}, via=self.via, **act)

        async def operate(job_ids: Sequence[str], _: BulkResult) -> Sequence[OperatorResult]:
            return await self._copied(job_ids, backend)

        return self._matching_steps(said, copying(self.backends, backend), selection, operate)

    async def _copy_named(
        self, selection: Selection, backend: str | None, payload: Any, **act: Unpack[ActOptions]
    ) -> list[Job]:
        olds = [await self.jobs.get(id_) for id_ in selection.job_ids]
        copies = self._keyed([(old, self._copy_of(old, backend, payload)) for old in olds])
        if not copies:
            return []
        said = act_of("copy", {**selection.described(), "to": backend}, via=self.via, **act)
        async with recorded(self.store, said) as record:
            await self.store.import_jobs(copies)
            await record.reach(len(copies))
        jobs = [await self.jobs.get(copy.id) for copy in copies]
        await self._tell(jobs)
        return jobs

    def _copy_of(self, old: Job, backend: str | None, payload: Any = None) -> NewJob:
        """Return the job that copies an old one, checked. Raises ``Sp00kyError``."""
        if payload is None and old.redacted_at is not None:
            redacted = f"that of {old.id}, which was redacted"
            raise OptionInvalid(option="payload", value=redacted, expected="another one")
        if payload is None:
            payload = JsonText(old.payload_json) if isinstance(old.payload, dict) else old.payload
        options: Any = {name: getattr(old, name) for name in OPTIONS}
        return self._checks.one(backend or old.backend, NewJob(path=old.path, payload=payload, **options))

    def _keyed(self, pairs: Sequence[tuple[Job, NewJob]]) -> list[Job]:
        """Return new rows, in whose order the database says when they were made."""
        tables = {backend.table.backend: backend.table.table for backend in self.backends.values()}
        rows = []
        for (old, new), key in zip(pairs, new_keys(len(pairs)), strict=True):
            row = new_row(new, str(self.store.own_id(job_id(tables[new.backend], key))), BEGINNING)
            row = attrs.evolve(row, created_at=None, updated_at=None, run_at=None, ordering_at=None)
            rows.append(attrs.evolve(row, copied_from=old.id))
        return rows

    async def _copied(self, job_ids: Sequence[str], backend: str | None) -> list[OperatorResult]:
        """Copy jobs; one that can't be, or that the database refuses, costs no other."""
        pairs, problems = [], dict[str, Sp00kyError]()
        for old in await self.jobs.whole(job_ids):
            try:
                pairs.append((old, self._copy_of(old, backend)))
            except Sp00kyError as error:
                problems[old.id] = error
        copies = {str(copy.copied_from): copy for copy in self._keyed(pairs)}
        done, refused = await imported(self.store, copies)
        problems |= refused
        if done and self._hooks.observes("sp00ky_job_enqueued"):
            ids = tuple(copies[id_].id for id_ in done)
            await self._tell(await self.jobs.find(JobQuery(ids=ids, limit=len(ids))))
        fates = {id_: OperatorResult(job_id=id_, fate=OperatorFate.COPIED) for id_ in done}
        illegal, missing = OperatorFate.ILLEGAL, OperatorFate.NOT_FOUND
        fates |= {
            id_: OperatorResult(job_id=id_, fate=illegal, problem=f"job {id_}: {error}")
            for id_, error in problems.items()
        }
        return [fates.get(id_) or OperatorResult(job_id=id_, fate=missing) for id_ in job_ids]

    async def _tell(self, jobs: list[Job]) -> None:
        if self._hooks.observes("sp00ky_job_enqueued"):
            await self._hooks.dispatch("sp00ky_job_enqueued", jobs=jobs)
