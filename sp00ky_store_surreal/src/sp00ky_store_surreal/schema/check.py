"""Check the tables: report each weakness with its consequence and its fix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from surrealdb import RecordID

from sp00ky_core.errors import StoreError, StoreUnavailable
from sp00ky_core.ports import Finding, JobTable, Table
from sp00ky_store_surreal import errors
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.observe.stats_and_groups import MOST_READ
from sp00ky_store_surreal.rows import count_of
from sp00ky_store_surreal.schema.field_repairs import weaknesses
from sp00ky_store_surreal.schema.index_rebuilds import Difference, differences
from sp00ky_store_surreal.schema.own_tables import OWN_TABLES
from sp00ky_store_surreal.schema.table_definitions import OPTIONAL_FIELDS, TableLayout, read_layout
from sp00ky_store_surreal.surql.loader import quoted, surql

_MIGRATE = "run: sp00ky migrate"
_REPAIR = "run: sp00ky migrate --repair"
_PERMISSIONS = " (docs/row-contract.md says how)"
RUNNERS_OWN = "status = 'pending'"
"""The condition of the LIVE query of our own runners."""
_CHANGED = {
    "path": "have something else requested than was checked, also between two attempts",
    "payload": "have something else sent than was checked, also between two attempts",
    "status": "end a job that isn't done, or have one that is done sent again",
    "retries": "have a job sent again and again, or end it",
    "errors": "hide what went wrong, and that a request may have arrived",
}


async def findings(
    connection: Connection, tables: Iterable[JobTable], extensions: Sequence[Table] = ()
) -> list[Finding]:
    """List the findings, those that stop jobs first."""
    wanted, added = list(tables), {table.name: table for table in extensions}
    names = [*OWN_TABLES, *added, *(table.table for table in wanted)]
    layouts = await read_layout(connection, names)
    if not any(layouts[name].exists for name in names):
        problem = f"the tables are missing: {', '.join(names)}"
        return [Finding.stopping("database", problem, "no job can be enqueued or delivered", _MIGRATE)]
    ready = [
        table for table in wanted if layouts[table.table].is_job_table and layouts[table.table].is_migrated
    ]
    own = [finding for name in OWN_TABLES for finding in _own(layouts[name])]
    refused = await dry_run_of_all(connection, writes=not own)
    listed = [*refused, *(found for name, table in added.items() for found in _added(table, layouts[name]))]
    for table in wanted:
        listed += _job(table, layouts[table.table])
        if not refused and table in ready:
            listed += await dry_run(connection, table, layouts[table.table])
    listed += [_untrue(difference) for difference in await differences(connection, ready)]
    if not own:
        listed += await waiting(connection, ready, named={table.table for table in wanted})
    return sorted([*listed, *own], key=lambda finding: (not finding.stops_jobs, not finding.is_error))


def _own(layout: TableLayout) -> Iterator[Finding]:
    if not layout.exists:
        yield Finding.stopping(layout.name, "the table is missing", "runners can't work together", _MIGRATE)
    elif layout.lacking:
        yield Finding.stopping(layout.name, "it lacks fields", "no runner can beat", _MIGRATE)


def _added(table: Table, layout: TableLayout) -> Iterator[Finding]:
    """Say what an extension's table lacks."""
    lacking = sorted(table.kinds.keys() - layout.fields.keys() - {"id"})
    if lacking:
        problem = f"it lacks {lacking[0]}" if layout.exists else "the table is missing"
        yield Finding.stopping(table.name, problem, "calls fail", _MIGRATE)


def _job(table: JobTable, layout: TableLayout) -> Iterator[Finding]:
    name = table.table
    if not layout.exists:
        yield Finding.stopping(
            name, "the table is missing", f"no job of {table.backend} can be stored", _MIGRATE
        )
    elif not layout.is_job_table:
        yield Finding.stopping(
            name, "it is no job table", f"no job of {table.backend} can be stored", "change method.table"
        )
    else:
        yield from _missing(name, layout)
        for weakness in weaknesses(table, layout):
            facts = (f"{name}.{weakness.field}", weakness.problem, weakness.consequence)
            is_open = weakness.breaks_promise
            yield Finding.promise(*facts, _MIGRATE) if is_open else Finding.warning(*facts, _REPAIR)
        yield from _exposed(name, layout)


def _untrue(difference: Difference) -> Finding:
    return Finding.stopping(
        f"{difference.table}.{difference.index}",
        f"the index isn't what the table holds ({difference.problem})",
        "jobs wait that are due, lists and numbers are wrong",
        _MIGRATE,
    )


def _evaluates(name: str, layout: TableLayout) -> Finding:
    """Warn of clients' own expressions, which a server runs while others write."""
    running = [live for live in layout.lives if not live.endswith(RUNNERS_OWN)]
    at_work = f" (now, each ended by KILL: {'; '.join(running)[:500]})" if running else ""
    return Finding.warning(
        name,
        f"a record user's LIVE query has the server evaluate any WHERE at each write of others{at_work}",
        "it can copy their payloads to where it may write, and hold up every write, claims too",
        "start the server with --deny-funcs sleep, and with --deny-arbitrary-query=record where clients call "
        "your functions alone (docs/surrealdb.md says more)",
    )


def _missing(name: str, layout: TableLayout) -> Iterator[Finding]:
    if layout.lacking:
        problem = f"it lacks {', '.join(layout.lacking)}"
        yield Finding.stopping(name, problem, "its jobs can't be claimed", _MIGRATE)
    for field in sorted(OPTIONAL_FIELDS - layout.fields.keys()):
        yield Finding.warning(
            f"{name}.{field}", "the field is missing", "a client that writes it is refused", _MIGRATE
        )


def _exposed(name: str, layout: TableLayout) -> Iterator[Finding]:
    scanned = ", ".join(layout.unindexed_for_users)
    if scanned:
        problem = f"PERMISSIONS FOR select WHERE true (not FULL) on {scanned}"
        consequence = (
            "no index serves a record user: a query for the newest job of a parent reads the whole table"
        )
        yield Finding.warning(name, problem, consequence, _REPAIR)
    if layout.has_record_users:
        yield _evaluates(name, layout)
    for field in filter(layout.is_changeable, _CHANGED):
        fix = f"add to its definition: PERMISSIONS FOR update NONE{_PERMISSIONS}"
        yield Finding.promise(
            f"{name}.{field}", "clients may change it", f"a client can {_CHANGED[field]}", fix
        )
    if layout.open_for:
        deeds = ", ".join(layout.open_for)
        consequence = "whoever is signed in, as any user, does so with everybody's jobs"
        fix = f"let PERMISSIONS of the table say whose jobs they are{_PERMISSIONS}"
        yield Finding.warning(name, f"any client may {deeds}", consequence, fix)


async def waiting(connection: Connection, tables: Sequence[JobTable], *, named: set[str]) -> list[Finding]:
    """Report what waits in these tables, which have been migrated, and in others that no backend names."""
    statement = surql("check_any_runner_alive")
    for table in tables:
        first = connection.dialect.first_pending(table)
        names = {"table": quoted(table.table), "first": first, "most": str(MOST_READ)}
        statement += surql("check_waiting_jobs", **names)
    alive, *reply = await connection.read(statement)
    findings: list[Finding] = []
    for table, due, deferred, others in zip(tables, reply[::3], reply[1::3], reply[2::3], strict=True):
        is_stuck = bool(due and not alive)
        findings += _waiting(table, is_stuck=is_stuck, deferred=count_of(deferred), others=count_of(others))
    return [*findings, *await _abandoned(connection, named)]


def _waiting(table: JobTable, *, is_stuck: bool, deferred: int, others: int) -> Iterator[Finding]:
    """Report jobs that are due without a runner, jobs that are deferred, and rows that are no jobs."""
    if is_stuck:
        problem = "jobs are due, and no runner has beaten for 10 s"
        consequence = f"jobs of {table.backend} aren't delivered"
        yield Finding.warning(table.table, problem, consequence, "run: sp00ky run")
    if deferred:
        yield Finding.warning(
            table.table,
            f"{'1 job has' if deferred == 1 else f'{deferred} jobs have'} been deferred for over an hour",
            f"{table.backend} throttles them, or no runner has a document with their route",
            "look at: sp00ky jobs stats, and at an entry in errors of one of them",
        )
    if others:
        name = quoted(table.table)
        yield Finding.warning(
            table.table,
            f"{'1 row has' if others == 1 else f'{others} rows have'} an array or an object as key",
            "no runner delivers them, and no command shows them: the key of a job is text, an int or a uuid",
            f"create them again with such a key, then: DELETE {name} WHERE id >= {name}:[]",
        )


async def _abandoned(connection: Connection, named: set[str]) -> list[Finding]:
    """Report tables that were migrated, and that no backend names any more."""
    try:
        migrated = (await connection.read("SELECT VALUE table_name FROM sp00ky_migration;"))[-1]
    except errors.TableMissing:
        return []
    findings = []
    for name in sorted(set(migrated) - named):
        with suppress(errors.TableMissing):  # it was removed
            reply = await connection.read(surql("check_count_pending", table=quoted(name)))
            if number := count_of(reply[-1]):
                problem = f"no backend names it in method.table; jobs waiting in it: {number}"
                fix = f"give a backend method.table: {name}, or kill and clear them"
                findings.append(Finding.warning(name, problem, "they are never delivered", fix))
    return findings


DONE = "sp00ky: nothing was refused"
"""Thrown at the end of a dry run, so that nothing of it is kept."""

LOST = "what is written isn't kept, and no error says so"
"""Thrown by a dry run that finds nothing of what it wrote."""

PATH = "/sp00ky/check"
"""The path of its job, where no route is known."""

ALLOW = f"start the server with --allow-funcs {errors.FUNCTIONS}, and with what your own definitions call"
EDITOR = "sign in as a user with ROLES EDITOR"

_NO_REFUSAL = (StoreUnavailable, errors.StatementInvalid, errors.Conflict)
"""Errors that can't come from a table's definitions; any other can."""

_OF_TABLE = re.compile(r"record<\W*(\w+)")
_MADE_UP = re.compile(
    r"Found (?!NONE\b).* for field `(path|payload|assigned_to)`.*, but field must conform to: "
)
"""An ASSERT that isn't met by a value that the dry run made up; a job's own may meet it."""


async def dry_run_of_all(connection: Connection, *, writes: bool) -> list[Finding]:
    """Report what keeps this user, or all, from doing anything on any table.

    ``writes`` is whether writing is tried too, to a table of the store's own, which must exist.
    """
    reason = await _refusal(connection, surql("dry_run_functions"))
    if reason is not None:
        return [Finding.stopping("functions", reason, "jobs can't be made or delivered", ALLOW)]
    reason = await _refusal(connection, surql("dry_run_write_own_table")) if writes else None
    if reason is None:
        return []
    problem = f"whoever signs in here may not write ({reason})"
    return [Finding.stopping("user", problem, "jobs can't be made or delivered", EDITOR)]


async def dry_run(connection: Connection, table: JobTable, layout: TableLayout) -> list[Finding]:
    """Make a job and take it through its life; report the first refusal.

    The user's events aren't set off: a table that has some isn't tried.
    """
    if layout.has_events:
        return []
    row, values = surql("dry_run_job", table=quoted(layout.name)).strip(), _values(table, layout)
    reason = await _refusal(connection, surql("dry_run_read", table=quoted(layout.name)))
    if reason is None:  # else no row can be claimed: a claim reads them all or none
        reason = await _refusal(connection, surql("dry_run_create", row=row), **values)
        if reason is None:
            reason = await _refusal(connection, surql("dry_run_transitions", row=row), **values)
        elif reason != LOST and not errors.needs_function(reason):  # another job may not be refused
            return [] if _MADE_UP.match(reason) else [_unmade(layout.name, reason)]
    return [] if reason is None else [_stopping(layout.name, reason)]


def _stopping(table: str, reason: str) -> Finding:
    return Finding.stopping(
        table,
        f"a dry run of a job was refused: {reason}",
        "its jobs can't be claimed, delivered, or kept once they have ended",
        "change the definition that the database names (docs/row-contract.md says what runners write); "
        "a table that keeps nothing has DROP",
    )


def _unmade(table: str, reason: str) -> Finding:
    return Finding.warning(
        table,
        f"a job that has only the outbox's fields was refused: {reason}",
        "outbox.run() and sp00ky call can't make jobs, nor can clients that write no more",
        "give what is refused a default, or let it be absent; no change is needed where every job is made "
        "by who meets it",
    )


def _values(table: JobTable, layout: TableLayout) -> dict[str, Any]:
    """Make up a job, as near to the table's as can be known."""
    match = _OF_TABLE.search(layout.type_of("assigned_to"))
    allowed = table.strategies - {*layout.refused_strategies(table.strategies)}
    return {
        "path": min(table.routes, default=PATH),
        "strategy": max(allowed, default="linear"),
        "parent": RecordID(match[1], "sp00ky_check") if match else None,
    }


async def _refusal(connection: Connection, statement: str, **values: Any) -> str | None:
    try:
        await connection.write(statement, done=DONE, lost=LOST, **values)
    except _NO_REFUSAL:
        raise
    except errors.DuplicateKey:  # by another row, in an index of the user's
        return None
    except StoreError as error:
        reason = errors.reason_of(error)
        return None if DONE in reason else LOST if LOST in reason else reason
    return None
