"""Redact and erase jobs, and take out of one what it carries; the audit holds a hash, none of the data."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack

import attrs

from sp00ky_core.encoding.json_bytes import JsonObject, decode, encode, json_hash, steps_of
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.options import expect
from sp00ky_core.outbox.operators.audit import act_of, json_values, recorded
from sp00ky_core.outbox.operators.bulk import PAGE, BulkResult, Selection, last_of, pages, with_refused
from sp00ky_core.outbox.operators.copies import JobCopies
from sp00ky_core.ports import (
    LONGEST_LEASE,
    Act,
    ActOptions,
    JobFilter,
    JobQuery,
    OperatorFate,
)
from sp00ky_core.stores.refused_writes import write_around
from sp00ky_core.stores.transitions import clear

__all__ = ["RedactionResult"]
__all__ += ["redacted", "without_keys"]

logger: logging.Logger = logging.getLogger(__name__)

MOST_NAMED = 100
"""Copies whose ids a result holds."""

UNREADABLE = "a key is twice in its payload or result, or they can't be read or written: redact all of it"

UNFINISHED = frozenset({JobStatus.PENDING, JobStatus.PROCESSING})


@attrs.frozen(kw_only=True)
class RedactionResult(BulkResult):
    """Prove that jobs were redacted or erased, without a word of what they held.

    Attributes:
        killed: Jobs that were ended first.
        left: What still says whom the jobs were for, counted by what it is: ``dedup_key``, ``ordering_key``,
            ``assigned_to``, ``copies``, and what extensions have; and ``jobs`` that meet the conditions, of
            an erasure.
        copies: Ids of copies that are as they were, at most 100.
        selection_sha256: Of the conditions, or the ids, as JSON in its shortest form with sorted keys.
        audit: The id of the entry that says so, too.
    """

    killed: int = 0
    left: Mapping[str, int] = attrs.field(factory=dict)
    copies: tuple[str, ...] = ()
    selection_sha256: str = ""
    audit: str = ""


Step = Callable[[Sequence[str], RedactionResult], Awaitable[RedactionResult]]
"""Does something to jobs by their ids; given too is how far it had come before, which it returns."""


def hash_of(selection: Selection) -> str:
    """Hash a selection, so that an auditor who knows it finds it again."""
    said = selection.described() if selection.conditions else {"ids": sorted(selection.job_ids)}
    return json_hash(json_values(said))


class EraseOptions(ActOptions, total=False):
    """Choose the jobs that are erased, where they aren't named, and say who does it.

    Attributes:
        filter: The conditions that they meet.
        limit: At most so many, the newest.
    """

    filter: JobFilter | None
    limit: int | None


class RedactOptions(EraseOptions, total=False):
    """Say how jobs are redacted; see ``Outbox.redact``.

    Attributes:
        fields: Take out only what these JSON pointers lead to.
        kill: End those that are pending first.
        keys: Take out also what says whom the jobs were for.
    """

    fields: Sequence[str]
    kill: bool
    keys: bool


class JobRedaction(JobCopies):
    """Redact and erase jobs; a base of ``Outbox``."""

    async def redact(self, *job_ids: str, **options: Unpack[RedactOptions]) -> RedactionResult:
        """Take payload, result, and the errors' reasons out of jobs that have ended.

        Their ids, times, statuses and codes stay, and say ``redacted_at``. A job that is redacted can't be
        retried any more, nor copied without another payload.

        Args:
            job_ids: The jobs; or
            options: ``filter``, the conditions that they meet; 100 at a time. With it ``limit``: at most so
                many, the newest. ``fields`` (JSON pointers): of payload and result only what these lead to,
                of jobs that have one of them. ``kill``: end those that are pending first; else they are
                refused, as those that are processing are. ``keys``: also ``dedup_key``, ``ordering_key`` and
                ``assigned_to``, the jobs' copies, and what extensions have of them; else the result
                names what there is. ``reason`` and ``actor``: for the audit.

        Raises:
            OptionInvalid: A field that leads to nothing in any of the jobs: nothing was done.
            CallUnsupported: The store can't.
        """
        return await last_of(self.redact_steps(*job_ids, **options))

    def redact_steps(
        self,
        *job_ids: str,
        filter: JobFilter | None = None,  # noqa: A002
        limit: int | None = None,
        fields: Sequence[str] = (),
        kill: bool = False,
        keys: bool = False,
        dry_run: bool = False,
        **act: Unpack[ActOptions],
    ) -> AsyncGenerator[RedactionResult, None]:
        """Do as ``redact``; yield how many match, and unless it is a ``dry_run`` how far each 100 got it."""
        selection = self._selection(job_ids, filter, limit)
        how = {"fields": list(fields) or None, "kill": kill or None, "keys": keys or None}
        work = _Redacting(self, fields=tuple(fields), kills=kill, keys=keys, reason=act.get("reason"))
        said = act_of("redact", {"sha256": hash_of(selection), **how}, via=self.via, **act)
        refused = {JobStatus.PROCESSING} if kill else UNFINISHED
        return self._rewritten(said, selection, work.redact, fields=fields, refused=refused, dry_run=dry_run)

    async def erase(self, *job_ids: str, **options: Unpack[EraseOptions]) -> RedactionResult:
        """Kill the jobs that haven't ended, wait until no attempt of theirs is under way, delete all of them.

        What extensions have of them goes with them; ``copies`` and ``left`` of the result name what is
        left. Arguments as of ``redact``.
        """
        return await last_of(self.erase_steps(*job_ids, **options))

    def erase_steps(
        self,
        *job_ids: str,
        filter: JobFilter | None = None,  # noqa: A002
        limit: int | None = None,
        dry_run: bool = False,
        **act: Unpack[ActOptions],
    ) -> AsyncGenerator[RedactionResult, None]:
        """Do as ``erase``; yield how many match, and unless it is a ``dry_run`` how far each 100 got it."""
        selection = self._selection(job_ids, filter, limit)
        _check_erasable(selection.conditions)
        work = _Erasing(self, reason=act.get("reason"))
        said = act_of("erase", {"sha256": hash_of(selection)}, via=self.via, **act)
        return self._rewritten(said, selection, work.end, work.erase, copies=work.copies, dry_run=dry_run)

    def _selection(
        self, job_ids: Iterable[str], conditions: JobFilter | None, limit: int | None
    ) -> Selection:
        selection = Selection(tuple(dict.fromkeys(job_ids)), conditions, limit)
        if conditions is None:
            expect("filter", conditions, "ids or a filter", met=bool(selection.job_ids))
        else:
            self.backends.meant(conditions)
        return selection

    async def _rewritten(
        self,
        act: Act,
        selection: Selection,
        *steps: Step,
        dry_run: bool,
        fields: Sequence[str] = (),
        refused: Set[JobStatus] = frozenset(),
        copies: Collection[str] | None = None,
    ) -> AsyncGenerator[RedactionResult, None]:
        """Yield how many jobs are selected, and how far each step has come with them, batch by batch.

        ``refused``: the statuses that a ``dry_run`` counts as such. ``copies``: where steps put the ids of
        copies, which are looked for in the end.
        """
        await self._check_fields(selection, fields)
        count = len(selection.job_ids)
        if selection.conditions is not None:
            count = await self.jobs.count(selection.conditions)
            count = count if selection.limit is None else min(count, selection.limit)
        result = RedactionResult(matched=count, selection_sha256=hash_of(selection))
        if dry_run:
            yield await self._refusing(selection, result, refused)
            return
        async with recorded(self.store, act) as record:
            result = attrs.evolve(result, audit=record.entry_id)
            yield result
            for step in steps:
                async with aclosing(self._pages(selection)) as batches:
                    async for ids in batches:
                        result = await step(ids, result)
                        await record.reach(result.done)
                        yield result
            if copies is not None:
                yield await self._with_left(selection, result, [*copies])

    async def _refusing(
        self, selection: Selection, result: RedactionResult, statuses: Set[JobStatus]
    ) -> RedactionResult:
        """Count the jobs that would be refused for their status; where a limit chooses, they are read."""
        if selection.conditions is not None and selection.limit is None:
            for status in sorted(statuses & selection.conditions.statuses):
                count = await self.jobs.count(attrs.evolve(selection.conditions, status=status))
                result = with_refused(result, "illegal", [f"one that is {status}"], count=count)
            return result
        async with aclosing(self._pages(selection)) as batches:
            async for ids in batches:
                jobs = await self.jobs.find(JobQuery(ids=tuple(ids), limit=len(ids)))
                refused = [_why_not(job) for job in jobs if job.status in statuses]
                result = with_refused(result, "illegal", refused)
        return result

    async def _pages(self, selection: Selection) -> AsyncGenerator[list[str], None]:
        if selection.conditions is None:
            for start in range(0, len(selection.job_ids), PAGE):
                yield list(selection.job_ids[start : start + PAGE])
            return
        async with aclosing(pages(self.jobs, [selection.conditions], selection.limit)) as batches:
            async for page in batches:
                yield [job.id for job in page]

    async def _check_fields(self, selection: Selection, fields: Sequence[str]) -> None:
        """Raise ``OptionInvalid`` for a pointer that leads to nothing in all of the jobs."""
        for field in fields:
            met = isinstance(field, str) and field.startswith("/")
            expect("fields", field, "a pointer, as in /card", met=met)
        if not fields:
            return
        async with aclosing(self._pages(selection)) as batches:
            async for ids in batches:
                for job in await self.jobs.whole(ids):
                    with suppress(ValueError):  # it is refused when it comes to that
                        led = matched(job, fields)
                        fields = [field for field in fields if field not in led]
                if not fields:
                    break
        for field in fields:
            expected = "a pointer into the payload or the result of one of the jobs; nothing was done"
            expect("fields", field, expected, met=False)

    async def _with_left(
        self, selection: Selection, result: RedactionResult, copies: Sequence[str]
    ) -> RedactionResult:
        """Name the copies; count what meets the conditions after all: it came meanwhile, or was refused."""
        for start in range(0, len(copies), PAGE):
            ids = tuple(copies[start : start + PAGE])
            result = _named(result, await self.jobs.find(JobQuery(ids=ids, limit=len(ids))), {})
        if selection.conditions is None or selection.limit is not None:
            return result
        count = await self.jobs.count(selection.conditions)
        return attrs.evolve(result, left={**result.left, "jobs": count}) if count else result

    async def ended_by_kill(self, job_ids: Sequence[str], reason: str | None) -> list[str]:
        """Kill jobs, and report it to the plugins; those that were."""
        results = await self._kill(job_ids, reason)
        return [result.job_id for result in results if result.fate is OperatorFate.KILLED]


@attrs.frozen
class _Redacting:
    """Redacts jobs by their ids.

    Attributes:
        outbox: Whose.
        fields: JSON pointers; none: all that a job carries.
        kills: End what is pending first.
        keys: Also what says whom the jobs were for.
        reason: Of the kill.
    """

    outbox: JobRedaction
    fields: tuple[str, ...]
    kills: bool
    keys: bool
    reason: str | None

    async def redact(self, job_ids: Sequence[str], result: RedactionResult) -> RedactionResult:
        """Redact some jobs; return how far it has come."""
        jobs = await self.outbox.jobs.whole(job_ids)
        pending = [job.id for job in jobs if self.kills and job.status is JobStatus.PENDING]
        killed = await self.outbox.ended_by_kill(pending, self.reason)
        jobs = await self.outbox.jobs.whole(job_ids) if killed else jobs
        result = attrs.evolve(result, killed=result.killed + len(killed))
        result = with_refused(result, "illegal", [_why_not(job) for job in jobs if not job.is_terminal])
        result = await self._write([job for job in jobs if job.is_terminal], result)
        return await self._follow([job.id for job in jobs if job.is_terminal], result)

    async def _write(self, jobs: Sequence[Job], result: RedactionResult) -> RedactionResult:
        new, unreadable = self._new(jobs)

        async def write(job_ids: Sequence[str]) -> Sequence[str]:
            return list(await self.outbox.store.redact([new[job_id] for job_id in job_ids]))

        written, problems = await write_around(list(new), write)
        changed = new.keys() - set(written) - problems.keys()
        result = with_refused(result, "illegal", [f"job {id_}: {why}" for id_, why in problems.items()])
        result = with_refused(result, "changed", [f"job {id_} changed meanwhile" for id_ in changed])
        result = with_refused(result, "illegal", [f"job {id_}: {UNREADABLE}" for id_ in unreadable])
        skipped = len(jobs) - len(new) - len(unreadable)
        keys = Counter(name for id_ in written for name in KEYS if getattr(new[id_], name) is not None)
        done, left = result.done + len(written), Counter(result.left) + keys
        return attrs.evolve(result, done=done, skipped=result.skipped + skipped, left=dict(left))

    def _new(self, jobs: Sequence[Job]) -> tuple[dict[str, Job], list[str]]:
        """Return what is to be left of jobs, by id, and the ids of those in which fields can't be found."""
        new, unreadable = dict[str, Job](), list[str]()
        for job in jobs:
            try:
                if (not self.fields or matched(job, self.fields)) and not self._is_done(job):
                    new[job.id] = self._without(job)
            except ValueError:
                unreadable.append(job.id)
        return new, unreadable

    def _without(self, job: Job) -> Job:
        job = redacted(job, self.fields)
        return without_keys(job) if self.keys else job

    def _is_done(self, job: Job) -> bool:
        return job.redacted_at is not None and self._without(job) == job

    async def _follow(self, job_ids: Sequence[str], result: RedactionResult) -> RedactionResult:
        """Redact the copies of jobs, and have extensions forget them; or name what there is."""
        copies = await self.outbox.jobs.whole(await _copies(self.outbox, job_ids))
        copies = [job for job in copies if job.id not in job_ids and not self._is_done(job)]
        if self.keys:
            await _forget(self.outbox, job_ids)
            if copies:
                result = attrs.evolve(result, matched=result.matched + len(copies))
                result = await self.redact([job.id for job in copies], result)
            return result
        has_more = job_ids and self.outbox.plugins.extensions
        others = await self.outbox.extensions.left(job_ids) if has_more else {}
        return _named(result, copies, others)


@attrs.define
class _Erasing:
    """Erases jobs by their ids.

    Attributes:
        outbox: Whose.
        reason: Of the kill.
        ahead: By how much the database's clock is ahead of this host's, as the last kill has shown.
        copies: Ids of the jobs' copies, of which some may be among the jobs.
    """

    outbox: JobRedaction
    reason: str | None
    ahead: timedelta = timedelta()
    copies: dict[str, None] = attrs.field(factory=dict)

    async def end(self, job_ids: Sequence[str], result: RedactionResult) -> RedactionResult:
        """Kill those of the jobs that haven't ended."""
        jobs = await self.outbox.jobs.whole(job_ids)
        alive = [job.id for job in jobs if job.status in UNFINISHED]
        killed = await self.outbox.ended_by_kill(alive, self.reason)
        for job in await self.outbox.jobs.whole(killed[-1:]):
            self.ahead = (job.updated_at or datetime.now(UTC)) - datetime.now(UTC)
        return attrs.evolve(result, killed=result.killed + len(killed))

    async def erase(self, job_ids: Sequence[str], result: RedactionResult) -> RedactionResult:
        """Delete those that have ended, once no attempt of theirs is under way."""
        jobs = await self.outbox.jobs.whole(job_ids)
        await self._wait(jobs)
        self.copies |= dict.fromkeys(await _copies(self.outbox, job_ids))
        results = await clear(self.outbox.store, job_ids) if job_ids else []
        gone = [cleared.job_id for cleared in results if cleared.fate is OperatorFate.CLEARED]
        await _forget(self.outbox, gone)
        kept = [cleared.problem for cleared in results if cleared.fate is OperatorFate.ILLEGAL]
        result = with_refused(result, "illegal", kept)
        return attrs.evolve(result, done=result.done + len(gone))

    async def _wait(self, jobs: Sequence[Job]) -> None:
        leases = [job.lease_until for job in jobs if job.is_terminal and job.lease_until is not None]
        now = datetime.now(UTC) + self.ahead
        seconds = max(((lease - now).total_seconds() for lease in leases), default=0.0)
        if 0 < seconds <= LONGEST_LEASE:
            logger.warning("waiting %.0f s: until then an attempt of these jobs may be under way", seconds)
            await asyncio.sleep(seconds)


def _check_erasable(conditions: JobFilter | None) -> None:
    """Raise ``OptionInvalid`` for conditions that a job which is killed first doesn't meet any more."""
    if conditions is None:
        return
    expected = "success, failed, or none: jobs that are killed first are failed then"
    expect("status", str(conditions.status), expected, met=conditions.status not in UNFINISHED)
    names_error = conditions.error_name is not None or conditions.code is not None
    expected = "failed, beside an error's name or code: jobs that are killed first have another one then"
    expect("status", None, expected, met=not names_error or conditions.statuses.isdisjoint(UNFINISHED))


def _why_not(job: Job) -> str:
    if job.status is JobStatus.PENDING:
        return f"job {job.id} is pending: `kill` ends it first"
    return f"job {job.id} is processing: wait until it has ended, or kill it"


def _named(result: RedactionResult, copies: Sequence[Job], others: Mapping[str, int]) -> RedactionResult:
    """Name copies, and count them and what extensions have."""
    left = Counter(result.left) + Counter({"copies": len(copies), **others})
    named = (*result.copies, *(job.id for job in copies))[:MOST_NAMED]
    return attrs.evolve(result, left=dict(left), copies=named)


async def _copies(outbox: JobRedaction, job_ids: Collection[str]) -> list[str]:
    return await outbox.store.copies_of(job_ids) if job_ids else []


async def _forget(outbox: JobRedaction, job_ids: Sequence[str]) -> None:
    if job_ids and outbox.plugins.extensions:
        await outbox.extensions.forget(job_ids)


REDACTED = "(redacted)"
"""Stands for a value that was taken out."""

KEYS = ("dedup_key", "ordering_key", "assigned_to")
"""Columns that may say whom a job is for."""


def redacted(job: Job, pointers: Sequence[str]) -> Job:
    """Return a job without what it carries; its ids, times, statuses and codes stay.

    Args:
        job: Whole.
        pointers: JSON pointers: of payload and result only these values are taken out; none: all.

    Raises:
        ValueError: As ``matched``, or what is left can't be written.
    """
    errors = tuple(attrs.evolve(error, reason=REDACTED, trace="") for error in job.errors)
    if not pointers:
        return attrs.evolve(job, payload_json=JsonObject(b"{}"), result_json=None, errors=errors)
    payload, result = _without(job.payload_json, pointers), job.result_json
    result = None if result is None else _without(result, pointers)
    return attrs.evolve(job, payload_json=payload, result_json=result, errors=errors)


def without_keys(job: Job) -> Job:
    """Return a job that says no more whom it is for."""
    return attrs.evolve(job, dedup_key=None, ordering_key=None, assigned_to=None)


def matched(job: Job, pointers: Sequence[str]) -> frozenset[str]:
    """Return those pointers that lead to a value in the job's payload or result.

    Raises:
        ValueError: One can't be read, or has a key twice: then a value may be where no pointer leads.
    """
    documents = [
        decode(text, unique_keys=True) for text in (job.payload_json, job.result_json) if text is not None
    ]
    return frozenset(
        pointer for pointer in pointers if any(_place(document, pointer) for document in documents)
    )


def _without(text: bytes, pointers: Sequence[str]) -> bytes:
    document = decode(text, unique_keys=True)
    places = [place for pointer in pointers if (place := _place(document, pointer))]
    for holder, key in places:
        holder[key] = REDACTED
    return encode(document) if places else text


def _place(document: Any, pointer: str) -> tuple[Any, Any] | None:
    """Return the object or list that holds the value, and where in it; None: there is none."""
    *steps, last = steps_of(pointer)
    for step in steps:
        key = _key(document, step)
        if key is None:
            return None
        document = document[key]
    key = _key(document, last)
    return None if key is None else (document, key)


def _key(document: Any, step: str) -> str | int | None:
    if isinstance(document, dict):
        return step if step in document else None
    if isinstance(document, list) and step.isdecimal() and step.isascii() and int(step) < len(document):
        return int(step)
    return None
