"""Export jobs as records of JSON values, and import those into another database."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import attrs

from sp00ky_core.encoding.escaping import cell_of, json_line
from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.error_texts import nearest, shown
from sp00ky_core.errors import ImportRefused, JobNotFound, OptionInvalid
from sp00ky_core.job.job import JOB_KEYS, Job, JobStatus, job_to_json
from sp00ky_core.outbox.operators.audit import act_of, recorded_steps
from sp00ky_core.outbox.operators.bulk import PAGE, BulkResult, Refusal, imported, last_of, with_refused
from sp00ky_core.outbox.queries import Queries
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import ActOptions, JobFilter
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.rows import job_of

__all__ = ["COLUMNS", "EXPORT_FORMATS", "EXPORT_VERSION", "ExportFormat", "record_of"]

EXPORT_VERSION = 1
"""Of a record's columns and what they mean; whoever changes that raises it."""

_FIELDS = (
    field.name.removesuffix("_json") for field in attrs.fields(Job) if field.name not in {"defect", "omitted"}
)
COLUMNS = tuple(dict.fromkeys((*JOB_KEYS, *_FIELDS)))
"""The columns of a record, in order, before its version."""

LONGEST_RECORD = 64 * 2**20
"""Bytes of a line of an export."""

BATCH_BYTES = 16 * 2**20
"""Bytes of lines that are read at a time, at most, unless one alone is longer."""


def record_of(job: Job) -> dict[str, Any]:
    """Return what an export has of a job: every column, as ``job_to_json`` has it, and the version."""
    return {**job_to_json(job, COLUMNS), "export_version": EXPORT_VERSION}


class ExportFormat:
    """Write records as lines of JSON (NDJSON).

    Attributes:
        columns: What a line has of a record; None: all, and the version that an import asks for.
        media_type: Of the whole.
        head: What comes before the first record.
    """

    media_type: str = "application/x-ndjson"
    head: bytes = b""

    def __init__(self, columns: Iterable[str] | None = None) -> None:
        """Choose columns, in this order. Raises ``OptionInvalid`` for one that no export has."""
        stripped = dict.fromkeys(name.strip() for name in columns or ())
        self.columns: list[str] | None = None if columns is None else list(stripped)
        for name in self.columns or ():
            if name not in COLUMNS:
                expected = f"columns of an export; {nearest(name, COLUMNS)}"
                raise OptionInvalid(option="columns", value=repr(name), expected=expected)

    def line(self, record: Mapping[str, Any]) -> bytes:
        """Return one record's line."""
        chosen = record if self.columns is None else {name: record[name] for name in self.columns}
        return json_line(chosen) + b"\n"


class CsvFormat(ExportFormat):
    """Write records as CSV: a line of names first; what is no text or number is JSON."""

    media_type: str = "text/csv; charset=utf-8"

    @property
    def head(self) -> bytes:  # type: ignore[override]  # it depends on the columns
        """Return the line of names."""
        return _csv_line(self.columns or COLUMNS)

    def line(self, record: Mapping[str, Any]) -> bytes:
        """Return one record's line."""
        return _csv_line(cell_of(record[name]) for name in self.columns or COLUMNS)


def _csv_line(cells: Iterable[object]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


EXPORT_FORMATS: Mapping[str, type[ExportFormat]] = {"ndjson": ExportFormat, "csv": CsvFormat}
"""Formats of an export, by the end of its file's name."""


@attrs.frozen
class ExportFile:
    """Reads what ``sp00ky jobs export`` has written.

    Attributes:
        path: The file.
        tables: The table of each backend that is configured.
        strategies: Names of the retry strategies that are known.
    """

    path: Path
    tables: Mapping[str, str]
    strategies: frozenset[str]

    def count(self) -> int:
        """Count the records. Raises ``ImportRefused`` at the first line that is none, or mustn't be one."""
        return sum(1 for _ in self._records())

    def batches(self) -> Iterator[list[Job | str]]:
        """Yield the jobs, at most ``PAGE`` and hardly more bytes than ``BATCH_BYTES`` at a time.

        A text says why one can't be imported. Raises as ``count``.
        """
        batch, size = list[Job | str](), 0
        for record, length in self._records():
            if batch and (len(batch) == PAGE or size + length > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(self._job(record))
            size += length
        if batch:
            yield batch

    def _records(self) -> Iterator[tuple[Mapping[str, Any], int]]:
        """Yield the records, each with the bytes of its line."""
        if not self.path.is_file():
            raise self._refused("it is no file, or it is a pipe, and it is read twice: write it into a file")
        try:
            with self.path.open("rb") as file:
                lines = iter(partial(file.readline, LONGEST_RECORD + 1), b"")
                for number, line in enumerate(lines, 1):
                    yield self._record(line, f"line {number}"), len(line)
        except OSError as error:
            raise self._refused(f"it can't be read: {error.strerror}") from error

    def _job(self, record: Mapping[str, Any]) -> Job | str:
        """Return the job of a record, or why it can't be imported."""
        written = {**dict.fromkeys(COLUMNS), **record}
        texts = {name: encode(written[name]) for name in ("payload", "result") if written[name] is not None}
        row = {**written, **texts}
        job = job_of(row, backend=str(row["backend"]), strategies=self.strategies)
        if job.defect is not None:
            return f"job {job.id}: {job.defect}"
        read = record_of(job)
        for name, value in written.items():
            if name not in read or read[name] != value or (name == "created_at" and value is None):
                return f"job {job.id}: {name} is {shown(value)}, which no export says"
        return attrs.evolve(job, run_at=job.run_at or job.created_at)

    def _record(self, line: bytes, place: str) -> Mapping[str, Any]:
        if len(line) > LONGEST_RECORD:
            raise self._refused(f"{place} is over {LONGEST_RECORD:,} bytes")
        try:
            record = decode(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise self._refused(f"{place} is no JSON object: import what `sp00ky jobs export` prints")
        if problem := self._problem(record):
            raise self._refused(f"{place} {problem}")
        return record

    def _problem(self, record: Mapping[str, Any]) -> str | None:
        version, job_id = record.get("export_version"), record.get("id")
        if version is None:
            return "has no export_version: export whole jobs, as NDJSON, without --columns"
        if version != EXPORT_VERSION:
            return f"is of version {shown(version)}, and this sp00ky reads version {EXPORT_VERSION}"
        backend = record.get("backend")
        if not isinstance(backend, str) or backend not in self.tables:
            return f"is of backend {shown(backend)}, and sp00ky.yml has {', '.join(self.tables)}"
        if not isinstance(job_id, str) or table_of(job_id) != self.tables[backend]:
            return f"has the id {shown(job_id)}, and the table of {backend} is {self.tables[backend]}"
        if record.get("status") == JobStatus.PROCESSING:
            return f"is processing ({job_id}): let its runner drain there, and export again"
        return None

    def _refused(self, problem: str) -> ImportRefused:
        return ImportRefused(file=str(self.path), problem=problem)


class JobMoves(Queries):
    """Export jobs and import them; a base of ``Outbox``."""

    plugins: Plugins

    async def export(
        self, conditions: JobFilter | None = None, *, limit: int | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield all jobs that meet conditions as records, whole, newest first, in the memory of one page.

        A record has every column of a job, as JSON values, and ``export_version``. Raises as ``pages``.
        """
        async with aclosing(self.pages(conditions or JobFilter(), limit=limit)) as pages:
            async for page in pages:
                for job in page:
                    if (whole := await self._whole(job)) is not None:
                        yield record_of(whole)

    async def _whole(self, job: Job) -> Job | None:
        """Read what a page has left out; None: the job is gone."""
        try:
            return await self.get(job.id) if job.omitted else job
        except JobNotFound:
            return None

    async def import_jobs(
        self, file: Path | str, *, dry_run: bool = False, **act: Unpack[ActOptions]
    ) -> BulkResult:
        """Insert the jobs of a file that ``sp00ky jobs export`` has written, with ids, times, and statuses.

        A job that is there already with the same content is skipped, so that an import which was interrupted
        can be repeated. Refused are one that is there with another content (``different``), one whose
        ``dedup_key`` another job holds (``duplicate``), and what this database doesn't take (``illegal``).

        Args:
            file: One record a line.
            dry_run: Look at all of it, and write nothing.
            act: ``reason`` and ``actor``, for the audit.

        Raises:
            ImportRefused: Something in the file is no record, of another version, of a backend that isn't
                configured, or processing: nothing was imported.
        """
        return await last_of(self.import_steps(file, dry_run=dry_run, **act))

    async def import_steps(
        self, file: Path | str, *, dry_run: bool = False, **act: Unpack[ActOptions]
    ) -> AsyncGenerator[BulkResult, None]:
        """Do as ``import_jobs``; yield how many there are, then how far it has come after each 100."""
        tables = {name: backend.table.table for name, backend in self.backends.items()}
        export = ExportFile(Path(file), tables, frozenset(self.plugins.strategies))
        result = BulkResult(matched=await asyncio.to_thread(export.count))
        work = self._imported(export, result, dry_run=dry_run)
        selection = {"file": export.path.name, "jobs": result.matched}
        said = act_of("import", selection, via=self.via, **act)
        async with aclosing(work if dry_run else recorded_steps(self.store, said, work)) as results:
            async for result in results:
                yield result

    async def _imported(
        self, export: ExportFile, result: BulkResult, *, dry_run: bool
    ) -> AsyncGenerator[BulkResult, None]:
        yield result
        batches = export.batches()
        while jobs := await asyncio.to_thread(next, batches, None):  # long lines would hold the loop up
            result = await self._import(jobs, result, dry_run=dry_run)
            yield result

    async def _import(self, jobs: Sequence[Job | str], result: BulkResult, *, dry_run: bool) -> BulkResult:
        """Import some jobs; a text says why one can't be."""
        given = [self._as_stored(job) if isinstance(job, Job) else job for job in jobs]
        refused: list[_Refused] = [("illegal", problem) for problem in given if isinstance(problem, str)]
        wanted = [job for job in given if isinstance(job, Job)]
        there = {job.id: job for job in await self.jobs.whole([job.id for job in wanted])}
        new, skipped = dict[str, Job](), 0
        for job in wanted:
            other = there.get(job.id) or new.get(job.id)
            if other is None:
                new[job.id] = job
            elif record_of(self.jobs.named(job)) == record_of(self.jobs.named(other)):
                skipped += 1
            else:
                refused.append(("different", f"job {job.id} is there already, with another content"))
        failed = {} if dry_run else (await imported(self.store, new))[1]
        refused += [(_why(new[job_id]), f"job {job_id}: {error.problem}") for job_id, error in failed.items()]
        for why, problem in refused:
            result = with_refused(result, why, [problem])
        done = 0 if dry_run else len(new) - len(failed)
        return attrs.evolve(result, done=result.done + done, skipped=result.skipped + skipped)

    def _as_stored(self, job: Job) -> Job | str:
        """Return a job as this store would have it, or why it can't."""
        own_id = self.store.own_id(job.id)
        if own_id is None:
            return f"job {job.id}: {self.store.location} can't hold such an id"
        return attrs.evolve(job, id=own_id, backend=self.backends[job.backend].table.backend)


_Refused = tuple[Refusal, str]
"""Why a job can't be imported, in short and in words."""


def _why(job: Job) -> Refusal:
    """Say why the database refused a job, whose other values have been looked at."""
    return "duplicate" if job.dedup_key is not None and not job.is_terminal else "illegal"
