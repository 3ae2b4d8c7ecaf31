"""``sp00ky check``: would jobs run?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import attrs
import click

from sp00ky_core.backend import Backend
from sp00ky_core.cli.context import Settings, command, run_async
from sp00ky_core.cli.terminal.output import as_json, one_line, show_json
from sp00ky_core.cli.terminal.progress import slow
from sp00ky_core.config import unready
from sp00ky_core.contract.security import unmet_security
from sp00ky_core.errors import AdapterMissing, install_hint
from sp00ky_core.job import JobStatus
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import Finding, JobQuery

_MOST_WAITING = 1_000  # jobs that are looked at, the newest


@command(short_help="Look for what would stop jobs, or harm them.")
@as_json
@click.option("--verbose", is_flag=True, help="List all operations, and why one can't be used.")
@click.pass_context
def check(context: click.Context, /, settings: Settings, *, json_wanted: bool, verbose: bool) -> None:
    """Look for what would stop jobs, or harm them; exit 1 if something would stop them.

    The configuration and the OpenAPI documents are read first: what is wrong with those is exit 2.
    """
    findings, operations = run_async(_check(settings, verbose=verbose))
    if json_wanted:
        shown = {"findings": [{"severity": _severity(each), **_facts(each)} for each in findings]}
        show_json(shown | ({"operations": operations} if verbose else {}))
    else:
        for finding in findings:
            click.echo(_line(finding))
        if not findings:
            click.echo("ok: nothing to fix")
        for operation in operations if verbose else ():
            click.echo(_operation_line(operation))
    context.exit(any(finding.stops_jobs for finding in findings))


async def _check(
    settings: Settings, *, verbose: bool
) -> tuple[Sequence[Finding], Sequence[Mapping[str, str]]]:
    outbox = settings.outbox()
    outbox.refuse_unsupported()
    await outbox.store.open()
    try:
        if not outbox.store.capabilities.durable:
            await outbox.store.migrate()  # as entering the outbox does: no other process can have
        findings = [*configuration_findings(outbox), *_transport_findings(outbox)]
        findings += _route_findings(outbox, verbose=verbose)
        with slow("checking the tables"):
            findings += [*await outbox.store.check(), *await outbox.schedules.check()]
            if not any(finding.stops_jobs for finding in findings):
                findings += [finding async for finding in _waiting_findings(outbox)]
        return findings, [*_operations(outbox)]
    finally:
        await outbox.store.close()


def configuration_findings(outbox: Outbox) -> Iterator[Finding]:
    """Yield what the configuration says without effect, and what a runner would lack in this process."""
    for name, reason in outbox.backends.left_out.items():
        yield Finding.warning(
            f"backend {name}",
            f"left out: {reason}",
            "it gets no jobs, and calls of it are refused",
            "nothing if that is meant; else see What is left out, under Configuration in Sp00ky's documents",
        )
    for notice in outbox.config.notices:
        yield Finding.warning(notice.key, notice.problem, notice.consequence, notice.fix)
    for error in unready(outbox.config):
        yield Finding.warning(
            error.key,
            error.problem,
            "jobs can be enqueued here, not run",
            f"{error.fix} where `sp00ky run` runs",
        )


def _transport_findings(outbox: Outbox) -> list[Finding]:
    try:
        outbox.transport_factories()
    except AdapterMissing as error:
        return [
            Finding.warning(
                f"{error.kind} {error.name}",
                "it isn't installed",
                "jobs can be enqueued, watched and operated here, but not run",
                install_hint(error.distribution) if error.distribution else str(error),
            )
        ]
    return []


def _route_findings(outbox: Outbox, *, verbose: bool) -> Iterator[Finding]:
    for name, backend in outbox.backends.items():
        backend.contract.compile()
        unusable = backend.contract.unusable
        count, every = len(unusable), len(unusable) + len(backend.contract.operations)
        if not every:
            problem = f"{backend.config.spec.name} describes no path"
            fix = "describe under `paths` what is to be called"
            yield Finding.warning(f"backend {name}", problem, "every job for it is refused", fix)
        base_path = backend.contract.base_path
        if not urlsplit(backend.config.base_url).path.rstrip("/").endswith(base_path):
            yield Finding.warning(
                f"backend {name}",
                f"baseUrl doesn't end with {base_path!r}, the basePath of {backend.config.spec.name}",
                "requests go to other paths than the document means",
                "add it to baseUrl, unless a proxy does",
            )
        if unusable:
            yield _route_finding(
                f"backend {name}",
                f"{count} of {every} operations in {backend.config.spec.name} can't be called",
                "none is needed if no job is for them"
                if verbose
                else "`sp00ky check --verbose` lists them; none is needed if no job is for them",
            )
        for path, reason in unusable.items() if verbose else ():
            yield _route_finding(f"backend {name}, {path}", reason, "change that in the document")

        if not any(f".{name}.auth." in key for key in outbox.config.unset):  # said on its own
            yield from _security_findings(name, backend, verbose=verbose)


def _security_findings(name: str, backend: Backend, *, verbose: bool) -> Iterator[Finding]:
    lacking: dict[str, list[str]] = {}
    for operation in backend.contract.operations.values():
        if unmet := unmet_security(operation, backend.config):
            lacking.setdefault(unmet, []).append(operation.name)
    for unmet, names in lacking.items():
        count, more = len(names), "" if verbose else ", ..."
        listed = ", ".join(names if verbose else names[:3]) + (more if count > len(names[:3]) else "")
        yield Finding.warning(
            f"backend {name}",
            f"{count} operations need `auth: {unmet}`: {listed}",
            "its answer may be 401 or 403",
            "write that under `auth`, unless a plugin adds it",
        )


async def _waiting_findings(outbox: Outbox) -> AsyncIterator[Finding]:
    """Yield what waits for a path that may have meant another method when it was written."""
    for name, backend in outbox.backends.items():
        operations = backend.contract.operations.values()
        others = {operation.path for operation in operations if operation.name != operation.path}
        unclear = {each.name for each in operations if each.method == "POST" and each.path in others}
        if not unclear:
            continue
        changed = datetime.fromtimestamp(backend.config.spec.stat().st_mtime, UTC)
        query = JobQuery(backend=name, status=JobStatus.PENDING, until=changed, limit=_MOST_WAITING)
        for path in sorted(unclear.intersection(job.path for job in await outbox.store.find(query))):
            yield Finding.warning(
                f"backend {name}, {path}",
                f"jobs wait that are older than {backend.config.spec.name}, whose path has POST and others",
                "they are POSTed, whatever the path meant when they were written",
                "nothing if it had POST then; else kill them, and call them by method and path",
            )


def _operations(outbox: Outbox) -> Iterator[Mapping[str, str]]:
    for name, backend in outbox.backends.items():
        for operation in backend.contract.operations.values():
            yield {
                "backend": name,
                "operation": operation.name,
                "method": operation.method,
                "form": operation.form,
                "reason": operation.reason,
            }


def _operation_line(operation: Mapping[str, str]) -> str:
    reason = f": {operation['reason']}" if operation["reason"] else ""
    return one_line(f"{operation['backend']}: {operation['operation']}: {operation['form']} form{reason}")


def _route_finding(subject: str, problem: str, fix: str) -> Finding:
    return Finding.warning(subject, problem, "a job for it is refused as an unknown route", fix)


def _severity(finding: Finding) -> str:
    return "error" if finding.stops_jobs else "warning"


def _facts(finding: Finding) -> Mapping[str, str]:
    return attrs.asdict(finding, filter=attrs.filters.exclude("stops_jobs"))


def _line(finding: Finding) -> str:
    return one_line(
        f"{_severity(finding)}: {finding.subject}: {finding.problem}; "
        f"consequence: {finding.consequence}; fix: {finding.fix}"
    )
