"""Find what keeps schedules from making jobs: backends, routes, payloads, queries, a table that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sp00ky_core.backend.backend import Backend, Backends
from sp00ky_core.backend.validation import check_job, check_options, ignores_timeout, unknown_route
from sp00ky_core.config import Config
from sp00ky_core.config.schedules import ForEachConfig, ScheduleConfig, definition_hash
from sp00ky_core.contract.payload import UNKNOWN
from sp00ky_core.contract.request_parts import LOOSE, UNDECLARED, USE_EXPLICIT
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import (
    PayloadInvalid,
    QueryRefused,
    ScheduleInvalid,
    Sp00kyError,
    StoreError,
    Violation,
)
from sp00ky_core.ports import Finding, Store, StoredSchedule
from sp00ky_core.runner.maintenance.reconcile import schedules_of
from sp00ky_core.schedules.fire import new_job

__all__ = ["check_definition", "definition_findings", "store_findings"]

SYNC = "run: sp00ky schedules sync"


def definition_findings(config: Config, backends: Backends) -> Iterator[Finding]:
    """Yield what is wrong with the file's schedules, without asking the database."""
    for name, definition in config.schedules.items():
        subject, problem = f"schedule {name}", _problem(definition, backends)
        if problem is not None:
            fix = "change the schedule, or its backend"
            yield Finding.stopping(subject, problem, "each of its fires fails, no job is made", fix)
        elif ignores_timeout(backends[definition.backend], definition.timeout):
            problem = f"backend {definition.backend!r} isn't timeoutOverridable"
            fix = "set timeoutOverridable there, or leave the schedule's timeout out"
            yield Finding.warning(subject, problem, "its timeout has no effect", fix)


def _problem(definition: ScheduleConfig, backends: Backends) -> str | None:
    try:
        check_definition(definition, backends)
    except ScheduleInvalid as error:
        return f"{error.key}: {error.problem}"
    except Sp00kyError as error:
        return str(error)
    return None


def check_definition(definition: ScheduleConfig, backends: Backends) -> None:
    """Check what a definition calls, and the payload as far as it is the same each time.

    Raises:
        UnknownBackend: its backend isn't configured.
        UnknownRoute: its route isn't one of the backend's.
        ScheduleInvalid: the payload can't have a row in it.
        Sp00kyError: its payload or its options can't be a job's.
    """
    backend = backends.named(definition.backend)
    if definition.for_each is None:
        check_job(backend, new_job(definition, None))
    else:
        _check_rows(definition, backend)


def _check_rows(definition: ScheduleConfig, backend: Backend) -> None:
    """Check what is known of the payloads of rows: all but what a row holds."""
    check = backend.contract.check(definition.route)
    if check is None:
        raise unknown_route(backend, definition.route)
    new_job_of_row = new_job(definition, {}, check.operation)
    check_options(backend, new_job_of_row)
    payload = decode(new_job_of_row.payload_json)
    place = "/row" if "row" in payload else "/$body/row"
    violations = [each for each in check.violations(payload) if _is_certain(each, place)]
    refused = next((each for each in violations if each.pointer == place), None)
    if refused is not None:
        problem = (
            f"the payload gets a property `row`, which {check.operation.long_name} can't take: {refused}"
        )
        fix = "let the document have it, call another operation, or leave forEach out"
        raise ScheduleInvalid(schedule=definition.name, key="forEach", problem=f"{problem}; {fix}")
    if violations:
        raise PayloadInvalid(backend=backend.name, path=definition.route, violations=tuple(violations))


def _is_certain(violation: Violation, place: str) -> bool:
    """Whether a violation is there whatever a row holds; what holds the row may be refused for that."""
    if violation.pointer == place:
        return (
            violation.message.startswith((UNKNOWN, UNDECLARED, LOOSE, USE_EXPLICIT))
            or "not of type" in violation.message
        )
    return not f"{place}/".startswith(f"{violation.pointer}/") and not violation.pointer.startswith(
        f"{place}/"
    )


async def store_findings(store: Store, definitions: Mapping[str, ScheduleConfig]) -> list[Finding]:
    """Find what the database says against them. Tables that are missing are found elsewhere."""
    try:
        stored = (await schedules_of(store).schedules()).schedules
    except StoreError:
        return []
    found = []
    for name, definition in definitions.items():
        if store.capabilities.durable:
            found += [*_row_findings(name, definition, stored.get(name))]
        if definition.for_each is not None:
            found += await _query_findings(store, name, definition.for_each)
    return found


async def _query_findings(store: Store, name: str, for_each: ForEachConfig) -> list[Finding]:
    try:
        rows = await schedules_of(store).query_rows(for_each.query, limit=1)
    except QueryRefused as error:
        problem, fix = error.problem, "change forEach.query"
    else:
        if not rows or for_each.key in rows[0]:
            return []
        problem, fix = f"its query gives no field {for_each.key!r}", "change forEach.key, or forEach.query"
    consequence = "each of its fires fails, no job is made"
    return [Finding.stopping(f"schedule {name}", problem, consequence, fix)]


def _row_findings(name: str, definition: ScheduleConfig, stored: StoredSchedule | None) -> Iterator[Finding]:
    subject = f"schedule {name}"
    if stored is None or stored.removed:
        yield Finding.warning(subject, "the database doesn't have it", "a runner's start may add it", SYNC)
    elif stored.hash != definition_hash(definition.to_json()):
        problem = "the database has another definition of it"
        yield Finding.warning(subject, problem, "it fires as that one says", SYNC)
    elif stored.last_error:
        fix = "see: sp00ky schedules get " + name
        yield Finding.warning(subject, f"its last fire: {stored.last_error}", "jobs are missing", fix)
