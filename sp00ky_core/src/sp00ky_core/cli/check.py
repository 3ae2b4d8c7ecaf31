"""``sp00ky check``: would jobs run?"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import attrs
import click

from sp00ky_core.backend.backend import DELIVER_HERE, POOLED, Backend, delivered
from sp00ky_core.cli.command import Settings, as_json, command, flag, option, run_async, store_open
from sp00ky_core.cli.logs import one_line
from sp00ky_core.cli.output import show, slow
from sp00ky_core.config import BackendConfig, unready
from sp00ky_core.error_texts import install_hint
from sp00ky_core.errors import AdapterMissing, Sp00kyError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import Finding, Grants, JobQuery, Use
from sp00ky_core.runner.options import TRYING
from sp00ky_openapi.loading import OpenContract
from sp00ky_openapi.operation import PLACES, Operation, Scheme
from sp00ky_openapi.safety import CLOSED_HEADERS

__all__ = ["unmet_security"]

_MOST_WAITING = 1_000  # jobs that are looked at, the newest

USE = click.Choice([use.value for use in Use])

OF_CONTAINERS = ".docker.internal"
"""Names of a machine within its containers; development files of Sp00ky projects have them."""


@command(short_help="Look for what would stop jobs, or harm them.")
@as_json
@flag("--verbose", "List all operations, and why one can't be used.")
@option("--as", "What the database's role is for; by default the most that it may do.", name="use", type=USE)
def check(settings: Settings, *, verbose: bool, use: str | None) -> int:
    """Look for what would stop jobs, or harm them; exit 1 if something would stop them, or breaks a promise.

    The configuration and the OpenAPI documents are read first: what is wrong with those is exit 2.
    """
    outbox, role, findings = run_async(_check(settings, verbose=verbose, use=use))
    document: dict[str, Any] = {"findings": [*map(_finding_json, findings)]}
    lines = [*map(_line, findings)] or ["ok: nothing to fix"]
    if role is not None:
        document |= {"may": [*role.may], "as": role.use}
        lines = [role.line, *lines]
    if listed := dict(_told(outbox, "lists")):
        document["functions"] = listed
        lines += [one_line(f"{name}: {function}") for name, told in listed.items() for function in told]
    if verbose:
        engines, operations = dict(_told(outbox, "engine")), [*_operations(_documents(outbox))]
        document |= {"engines": engines, "operations": operations}
        lines += [f"backend {name}: sent by {engine}" for name, engine in engines.items()]
        lines += map(_operation_line, operations)
    show(document, lines)
    return int(any(finding.is_error for finding in findings))


@attrs.frozen(kw_only=True)
class Role:
    """What the database's role may do, and which use it is held against."""

    may: Sequence[Use]
    use: Use

    @property
    def line(self) -> str:
        """Say it in one line."""
        others = [use for use in Use if use not in self.may]
        held = "" if self.use in self.may else f"; checked as one that is to {self.use}"
        more = f", not {' or '.join(others)} (sp00ky check --as {others[0]} says why)" if others else ""
        return f"the database's role may {' and '.join(self.may) or 'do nothing'}{more}{held}"


async def _role(outbox: Outbox, use: str | None) -> Role | None:
    """Return what the role may do; None: the store's database has none."""
    if not isinstance(outbox.store, Grants):
        if use is not None:
            raise click.UsageError("--as: this store's database has no roles to tell apart")
        return None
    lacking = await outbox.store.lacking()
    may = [one for one in Use if not lacking[one]]
    return Role(may=may, use=Use(use) if use else [*may, Use.RUN][0])


async def _check(
    settings: Settings, *, verbose: bool, use: str | None
) -> tuple[Outbox, Role | None, Sequence[Finding]]:
    outbox = settings.outbox()
    async with store_open(outbox):
        if not outbox.store.capabilities.durable:
            await outbox.store.migrate()  # as entering the outbox does: no other process can have
        findings = [*configuration_findings(outbox), *_transport_findings(outbox)]
        findings += await _preparation_findings(outbox)
        for names, backend in _documents(outbox):
            findings += _document_findings(names, backend, verbose=verbose)
        findings += _request_findings(outbox, verbose=verbose)
        with slow("checking the tables"):
            role = await _role(outbox, use)
            findings += await outbox.check(use=role.use if role else Use.RUN)
            if not any(finding.stops_jobs for finding in findings):
                findings += [finding async for finding in _waiting_findings(outbox)]
        return outbox, role, sorted(findings, key=lambda finding: finding.place)


def configuration_findings(outbox: Outbox) -> Iterator[Finding]:
    """Yield what the configuration says without effect, and what a runner would lack in this process."""
    yield from _backend_findings(outbox)
    yield from outbox.config.notices
    for error in unready(outbox.config, delivered(outbox.backends)):
        fix = f"{error.fix} where `sp00ky run` runs"
        yield Finding.warning(error.key, error.problem, "jobs can be enqueued here, not run", fix)


def _backend_findings(outbox: Outbox) -> Iterator[Finding]:
    """Yield why jobs of a backend aren't delivered here, or can't be."""
    for name, reason in outbox.backends.left_out.items():
        yield Finding.warning(
            f"backend {name}",
            f"left out: {reason}",
            "it gets no jobs, and calls of it are refused",
            "nothing if that is meant; else see docs/configuration.md#what-is-left-out",
        )
    ours = delivered(outbox.backends)
    for name, backend in outbox.backends.items():
        host = urlsplit(backend.config.base_url).hostname or ""
        if name not in ours:
            consequence = "jobs can be enqueued here; no runner delivers them"
            fix = f"nothing if that is meant; {DELIVER_HERE}"
            yield Finding.warning(f"backend {name}", POOLED, consequence, fix)
        elif host.endswith(OF_CONTAINERS):
            try:
                socket.getaddrinfo(host, None)
            except OSError:
                yield Finding.warning(
                    f"backend {name}",
                    f"its baseUrl names {host}, which only Docker's containers know",
                    "a runner that runs here can't reach it",
                    "write the host as this machine knows it, such as 127.0.0.1, or run in a container",
                )


def _transport_findings(outbox: Outbox) -> Iterator[Finding]:
    try:
        outbox.transport_factories()
    except AdapterMissing as error:
        consequence = "jobs can be enqueued, watched and operated here, but not run"
        fix = install_hint(error.distribution) if error.distribution else str(error)
        yield Finding.warning(f"{error.kind} {error.name}", "it isn't installed", consequence, fix)


def _told(outbox: Outbox, what: str) -> Iterator[tuple[str, Any]]:
    """Yield what each backend's transport tells of it, where it does: its ``engine``, what it ``lists``."""
    known = outbox.plugins.transports
    for name, backend in outbox.backends.items():
        entry = known.get(backend.config.transport_name)
        if entry is not None and (tell := getattr(entry, what)) is not None:
            yield name, tell(backend.config)


async def _preparation_findings(outbox: Outbox) -> list[Finding]:
    """Return why a transport can't deliver to a backend, as far as it finds that out before."""
    findings: list[Finding] = []
    consequence, fix = "a runner of it doesn't start", "fix that, or the backend's keys"
    for transport, backends in outbox.prepared_transports():
        trying = TRYING.set(True)
        try:
            await transport.open()
            for backend in backends:
                try:
                    await transport.prepare(backend)
                except Sp00kyError as error:
                    problem = Finding.stopping(f"backend {backend.name}", str(error), consequence, fix)
                    findings.append(problem)
        finally:
            await transport.close()
            TRYING.reset(trying)
    return findings


def _request_findings(outbox: Outbox, *, verbose: bool) -> Iterator[Finding]:
    for name, backend in outbox.backends.items():
        base_path = backend.contract.document.base_path
        if not urlsplit(backend.config.base_url).path.rstrip("/").endswith(base_path):
            yield Finding.warning(
                f"backend {name}",
                f"baseUrl doesn't end with {base_path!r}, the basePath of {backend.config.document_name}",
                "requests go to other paths than the document means",
                "add it to baseUrl, unless a proxy does",
            )
        if not any(f".{name}.auth." in key for key in outbox.config.unset):  # said on its own
            yield from _security_findings(name, backend, verbose=verbose)


def _documents(outbox: Outbox) -> Sequence[tuple[str, Backend]]:
    """Return each document's backends, by name, and one of them; those that read it differently apart."""
    documents: list[tuple[list[str], Backend]] = []
    for name, backend in outbox.backends.items():
        backend.contract.compile()
        for names, other in documents:
            if _content(other) == _content(backend):
                names.append(name)
                break
        else:
            documents.append(([name], backend))
    return [(", ".join(names), backend) for names, backend in documents]


def _content(backend: Backend) -> tuple[object, ...]:
    contract = backend.contract
    return backend.config.spec or backend.config.base_url, contract.unusable, contract.operations


def _document_findings(names: str, backend: Backend, *, verbose: bool) -> Iterator[Finding]:
    """Yield what of a document can't be called."""
    subject = f"backend{'s' if ', ' in names else ''} {names}"
    unusable, file = backend.contract.unusable, backend.config.document_name
    count, total = len(unusable), len(unusable) + len(backend.contract.operations)
    if not total and not isinstance(backend.contract, OpenContract):
        fix = "describe under `paths` what is to be called"
        yield Finding.warning(subject, f"{file} describes no path", "every job for it is refused", fix)
    if unusable:
        problem = f"{count} of {_counted(total, 'operation')} in {file} can't be called"
        where = "" if verbose else "`sp00ky check --verbose` lists them; "
        yield _route_finding(subject, problem, f"{where}none is needed if no job is for them")
    for path, reason in unusable.items() if verbose else ():
        yield _route_finding(f"{subject}, {path}", reason, "change that in the document")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _security_findings(name: str, backend: Backend, *, verbose: bool) -> Iterator[Finding]:
    lacking: dict[str, list[str]] = {}
    is_met = False
    may_be_added = set[str]()
    for operation in backend.contract.operations.values():
        unmet = unmet_security(operation, backend.config)
        if unmet is not None:
            lacking.setdefault(unmet, []).append(operation.name)
            may_be_added |= {unmet} if any(map(_may_be_added, chain(*operation.security))) else set()
        is_met |= unmet is None and bool(operation.security)
    way = "write that under `auth`"
    if len(lacking) + is_met > 1:
        way = (
            "others need another: call these by a backend of their own, of the same document, with that "
            "`auth` and another table"
        )
    for unmet, names in lacking.items():
        fix = f"{way}, unless `headers` or a plugin adds it" if unmet in may_be_added else way
        count, more = len(names), "" if verbose else ", ..."
        listed = ", ".join(names if verbose else names[:3]) + (more if count > len(names[:3]) else "")
        yield Finding.warning(
            f"backend {name}",
            f"{_counted(count, 'operation')} need{'s' if count == 1 else ''} `auth: {unmet}`: {listed}",
            "its answer may be 401 or 403" if count == 1 else "their answers may be 401 or 403",
            fix,
        )


async def _waiting_findings(outbox: Outbox) -> AsyncIterator[Finding]:
    """Yield what waits for a path that may have meant another method when it was written."""
    for name, backend in outbox.backends.items():
        operations = backend.contract.operations.values()
        others = {operation.key for operation in operations if operation.name != operation.key}
        posted = (operation for operation in operations if operation.method == "POST")
        unclear = {operation.name for operation in posted if operation.key in others}
        if not unclear or backend.config.spec is None:
            continue
        changed = datetime.fromtimestamp(backend.config.spec.stat().st_mtime, UTC)
        query = JobQuery(backend=name, status=JobStatus.PENDING, until=changed, limit=_MOST_WAITING)
        for path in sorted(unclear.intersection(job.path for job in await outbox.jobs.find(query))):
            yield Finding.warning(
                f"backend {name}, {path}",
                f"jobs wait that are older than {backend.config.spec.name}, whose path has POST and others",
                "they are POSTed, whatever the path meant when they were written",
                "nothing if it had POST then; else kill them, and call them by method and path",
            )


def _operations(documents: Iterable[tuple[str, Backend]]) -> Iterator[Mapping[str, Any]]:
    for names, backend in documents:
        naming = {*backend.contract.operation_ids}
        for operation in backend.contract.operations.values():
            yield {
                "backend": names,
                "operation": operation.name,
                "method": operation.method,
                "path": operation.key,
                "operationId": operation.operation_id if operation.operation_id in naming else None,
                "form": operation.form,
                "reason": operation.reason,
                "parameters": _parameters(operation),
                "notSent": [
                    f"{place} {name or '(without a name)'}" for place, name in sorted(operation.withheld)
                ],
                "mediaTypes": [body.media_type for body in operation.bodies],
            }


def _parameters(operation: Operation) -> Mapping[str, Sequence[str]]:
    """Return the names of an operation's parameters, by their place."""
    names = {
        place: [parameter.name for parameter in operation.parameters if parameter.place == place]
        for place in PLACES
    }
    return {place: named for place, named in names.items() if named}


def _operation_line(operation: Mapping[str, Any]) -> str:
    reason = f" ({operation['reason']})" if operation["reason"] else ""
    operation_id = f" ({operation['operationId']})" if operation["operationId"] else ""
    names_by_place = {**operation["parameters"], "body": operation["mediaTypes"]}
    names_by_place["not sent"] = operation["notSent"]
    parts = "".join(f"; {place}: {', '.join(names)}" for place, names in names_by_place.items() if names)
    name = f"{operation['method']} {operation['path']}{operation_id}"
    return one_line(f"{operation['backend']}: {name}: {operation['form']} form{reason}{parts}")


def _route_finding(subject: str, problem: str, fix: str) -> Finding:
    return Finding.warning(subject, problem, "a job for it is refused as an unknown route", fix)


def _severity(finding: Finding) -> str:
    return "error" if finding.is_error else "warning"


def _finding_json(finding: Finding) -> Mapping[str, str]:
    facts = attrs.asdict(finding, filter=attrs.filters.exclude("stops_jobs", "breaks_promise"))
    return {"severity": _severity(finding), **facts}


def _line(finding: Finding) -> str:
    return one_line(
        f"{_severity(finding)}: {finding.subject}: {finding.problem}; "
        f"consequence: {finding.consequence}; fix: {finding.fix}"
    )


_BEARER = ("http", "oauth2", "openIdConnect")
_SHOWN = {"mutualTLS": "tls.cert", "basic": "{type: basic}", "oauth2": "{type: bearer}, with a tokenFile"}


def unmet_security(operation: Operation, backend: BackendConfig) -> str | None:
    """Return what an operation's ``security`` asks for and requests won't have; None: nothing."""
    lacking = [
        [scheme for scheme in schemes if not _is_met(scheme, backend)] for schemes in operation.security
    ]
    if not lacking or not all(lacking):
        return None
    return " or ".join(dict.fromkeys(" and ".join(map(_shown, schemes)) for schemes in lacking))


def _may_be_added(scheme: Scheme) -> bool:
    """Tell whether a scheme wants a header that isn't ``auth``'s alone to send."""
    is_key = (scheme.type, scheme.place) == ("apiKey", "header")
    return is_key and scheme.key.lower() not in CLOSED_HEADERS


def _is_met(scheme: Scheme, backend: BackendConfig) -> bool:
    has_token = backend.token is not None or backend.token_file is not None
    is_bearer = backend.auth is None and has_token
    is_basic = backend.auth == "basic" or "@" in backend.base_url
    if scheme.type == "mutualTLS":
        return backend.tls is not None and backend.tls.cert is not None
    if scheme.type != "apiKey":
        return is_basic if scheme.type == "basic" else is_bearer and scheme.type in _BEARER
    name = scheme.key.lower() if scheme.place == "header" else scheme.key
    is_sent = (scheme.place, name) in backend.configured
    return is_sent or ((scheme.place, name) == ("header", "authorization") and (is_bearer or is_basic))


def _shown(scheme: Scheme) -> str:
    if scheme.type == "apiKey":
        return f"{{type: apiKey, in: {scheme.place}, name: {scheme.key}}}"[:120]
    return _SHOWN.get(scheme.type, "{type: bearer}")
