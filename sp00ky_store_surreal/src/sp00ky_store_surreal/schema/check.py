"""Check the tables: report each weakness with its consequence and its fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.schema.definition import OPTIONAL_FIELDS, OUR_FIELDS, OUR_INDEXES, OWN_TABLES
from sp00ky_store_surreal.schema.dry_run import dry_run, dry_run_of_all
from sp00ky_store_surreal.schema.indexes import Difference, differences
from sp00ky_store_surreal.schema.introspection import TableLayout, read_layout
from sp00ky_store_surreal.schema.repair import weaknesses
from sp00ky_store_surreal.schema.waiting_jobs import waiting

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


async def findings(connection: Connection, tables: Iterable[JobTable]) -> list[Finding]:
    """List the findings, those that stop jobs first."""
    wanted = list(tables)
    layouts = await read_layout(connection, [*OWN_TABLES, *(each.table for each in wanted)])
    own = [each for name in OWN_TABLES for each in _own(layouts[name])]
    found = refused = await dry_run_of_all(connection, writes=not own)
    for table in wanted:
        layout = layouts[table.table]
        found = [*found, *_job(table, layout)]
        if not refused and layout.is_job_table and layout.is_migrated:
            found += await dry_run(connection, table, layout)
    ready = [each for each in wanted if layouts[each.table].is_job_table and layouts[each.table].is_migrated]
    found += [_untrue(each) for each in await differences(connection, ready)]
    if not own:
        found += await waiting(connection, ready)
    return sorted([*found, *own], key=lambda each: not each.stops_jobs)


def _own(layout: TableLayout) -> Iterator[Finding]:
    if not layout.exists:
        yield Finding.stopping(layout.name, "the table is missing", "runners can't work together", _MIGRATE)
    elif layout.is_older_own:
        yield Finding.stopping(layout.name, "it lacks fields", "no runner can beat", _MIGRATE)


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
        for each in weaknesses(table, layout):
            yield Finding.warning(f"{name}.{each.field}", each.problem, each.consequence, _REPAIR)
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
    running = [each for each in layout.lives if not each.endswith(RUNNERS_OWN)]
    at_work = f" (now, each ended by KILL: {'; '.join(running)[:500]})" if running else ""
    return Finding.warning(
        name,
        f"a record user's LIVE query has the server evaluate any WHERE at each write of others{at_work}",
        "it can copy their payloads to where it may write, and hold up every write, claims too",
        "start the server with --deny-funcs sleep, and with --deny-arbitrary-query=record where clients call "
        f"your functions alone{_PERMISSIONS}",
    )


def _missing(name: str, layout: TableLayout) -> Iterator[Finding]:
    needed = sorted((OUR_FIELDS - layout.fields.keys()) | (OUR_INDEXES - layout.indexes))
    if needed:
        yield Finding.stopping(name, f"it lacks {', '.join(needed)}", "its jobs can't be claimed", _MIGRATE)
    for each in sorted(OPTIONAL_FIELDS - layout.fields.keys()):
        yield Finding.warning(
            f"{name}.{each}", "the field is missing", "a client that writes it is refused", _MIGRATE
        )


def _exposed(name: str, layout: TableLayout) -> Iterator[Finding]:
    scanned = ", ".join(layout.unindexed_for_users)
    if scanned:
        problem = f"PERMISSIONS FOR select WHERE true (not FULL) on {scanned}"
        consequence = (
            "no index serves a record user: a query for the newest job of a parent reads the whole table"
        )
        yield Finding.warning(name, problem, consequence, _REPAIR)
    if layout.has_record_users and not layout.is_older:
        yield _evaluates(name, layout)
    for each in layout.changeable:
        fix = f"add to its definition: PERMISSIONS FOR update NONE{_PERMISSIONS}"
        yield Finding.warning(
            f"{name}.{each}", "clients may change it", f"a client can {_CHANGED[each]}", fix
        )
    if layout.open_for:
        deeds = ", ".join(layout.open_for)
        consequence = "whoever is signed in, as any user, does so with everybody's jobs"
        fix = f"let PERMISSIONS of the table say whose jobs they are{_PERMISSIONS}"
        yield Finding.warning(name, f"any client may {deeds}", consequence, fix)
