"""Find what would keep schedules from making jobs."""

from __future__ import annotations

from collections.abc import Iterator

from sp00ky_core.backend.backend import Backend, Backends
from sp00ky_core.backend.validation import check_job, check_options, ignores_timeout, unknown_route
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import PayloadInvalid, QueryRefused, Sp00kyError, StoreError, Violation
from sp00ky_core.ports import ExtensionContext, Finding, Gauge
from sp00ky_openapi.operation import LOOSE, UNDECLARED, UNKNOWN, USE_EXPLICIT
from sp00ky_schedules.errors import ScheduleInvalid
from sp00ky_schedules.model.config import ForEachConfig, ScheduleConfig, SchedulesConfig
from sp00ky_schedules.model.definition import late_by
from sp00ky_schedules.model.fire import new_job
from sp00ky_schedules.model.records import ScheduleSnapshot, StoredSchedule
from sp00ky_schedules.tables import ScheduleTables

SYNC = "run: sp00ky schedules sync"
MOST_LATE = 100
"""Schedules that the metrics name: a fleet without its runners would have a series for each."""

NO_JOB = "each of its fires fails, no job is made"


def definition_findings(config: SchedulesConfig, backends: Backends) -> Iterator[Finding]:
    """Yield what is wrong with the file's schedules, without asking the database."""
    for name, definition in config.schedules.items():
        subject = f"schedule {name}"
        try:
            check_definition(definition, backends)
        except Sp00kyError as error:
            problem = f"{error.key}: {error.problem}" if isinstance(error, ScheduleInvalid) else str(error)
            yield Finding.stopping(subject, problem, NO_JOB, "change the schedule, or its backend")
        else:
            if ignores_timeout(backends[definition.backend], definition.timeout):
                problem = f"backend {definition.backend!r} isn't timeoutOverridable"
                fix = "set timeoutOverridable there, or leave the schedule's timeout out"
                yield Finding.warning(subject, problem, "its timeout has no effect", fix)


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
    check_options(backend, new_job_of_row, check.operation)
    payload = decode(new_job_of_row.payload_json)
    place = "/row" if "row" in payload else "/$body/row"
    violations = [violation for violation in check.violations(payload) if _is_certain(violation, place)]
    refused = next((violation for violation in violations if violation.pointer == place), None)
    if refused is not None:
        taker, fix = check.operation.long_name, "call another operation, or leave forEach out"
        problem = f"the payload gets a property `row`, which {taker} can't take: {refused}"
        problem += f"; let the document have it, {fix}"
        raise ScheduleInvalid(schedule=definition.name, key="forEach", problem=problem)
    if violations:
        raise PayloadInvalid(backend=backend.name, path=definition.route, violations=tuple(violations))


def _is_certain(violation: Violation, place: str) -> bool:
    """Whether a violation is there whatever a row holds; what holds the row may be refused for that."""
    pointer, message = violation.pointer, violation.message
    if pointer == place:
        return message.startswith((UNKNOWN, UNDECLARED, LOOSE, USE_EXPLICIT)) or "not of type" in message
    return not f"{place}/".startswith(f"{pointer}/") and not pointer.startswith(f"{place}/")


async def store_findings(context: ExtensionContext) -> list[Finding]:
    """Find what the database says against them. Tables that are missing are found elsewhere."""
    tables, findings = ScheduleTables(context), list[Finding]()
    try:
        snapshot = await tables.schedules()
    except StoreError:
        return []
    stored = snapshot.schedules
    findings += _late_findings(snapshot)
    for name, definition in context.options.schedules.items():
        if context.capabilities.durable:
            findings += [*_row_findings(name, definition, stored.get(name))]
        if definition.for_each is not None:
            findings += await _query_findings(tables, name, definition.for_each)
    return findings


def _late_findings(snapshot: ScheduleSnapshot) -> Iterator[Finding]:
    """Name the fires that are overdue, of other services' schedules too: nobody fires them."""
    for stored in snapshot.schedules.values():
        if late := late_by(stored, snapshot.now):
            problem = f"its fire is overdue by {late.total_seconds():.0f} s"
            fix = "run a runner with sp00ky-schedules for its backend; its log says why it doesn't fire"
            yield Finding.warning(f"schedule {stored.name}", problem, "its jobs aren't made", fix)


async def metrics(context: ExtensionContext) -> list[Gauge]:
    """Measure by how much fires are late, those that are."""
    snapshot = await ScheduleTables(context).schedules()
    late = {name: late_by(stored, snapshot.now) for name, stored in snapshot.schedules.items()}
    latest = sorted(((length.total_seconds(), name) for name, length in late.items() if length), reverse=True)
    values = {name: seconds for seconds, name in latest[:MOST_LATE]}
    text = "By how much a schedule's fire is overdue; absent: it isn't, or by less than 60 s."
    return [Gauge(name="sp00ky_schedule_late_seconds", text=text, label="schedule", values=values)]


async def _query_findings(tables: ScheduleTables, name: str, for_each: ForEachConfig) -> list[Finding]:
    try:
        rows = await tables.query_rows(for_each.query, limit=1)
    except QueryRefused as error:
        problem, fix = error.problem, "change forEach.query"
    else:
        if not rows or for_each.key in rows[0]:
            return []
        problem, fix = f"its query gives no field {for_each.key!r}", "change forEach.key, or forEach.query"
    return [Finding.stopping(f"schedule {name}", problem, NO_JOB, fix)]


def _row_findings(name: str, definition: ScheduleConfig, stored: StoredSchedule | None) -> Iterator[Finding]:
    subject = f"schedule {name}"
    if stored is None or stored.removed:
        yield Finding.warning(subject, "the database doesn't have it", "a runner's start may add it", SYNC)
    elif stored.hash != definition.hash:
        problem = "the database has another definition of it"
        yield Finding.warning(subject, problem, "it fires as that one says", SYNC)
    elif stored.last_error:
        fix = "see: sp00ky schedules get " + name
        yield Finding.warning(subject, f"its last fire: {stored.last_error}", "jobs are missing", fix)
