"""What is wrong with the tables: each weakness with its consequence and its mend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.layout import OUR_FIELDS, OUR_INDEXES, TableLayout, read_layout
from sp00ky_store_surreal.meanings import finding_of
from sp00ky_store_surreal.migrate import OWN_TABLES
from sp00ky_store_surreal.trial import refusal_of_all, refusals

__all__ = ["findings"]

_MIGRATE = "run: sp00ky migrate"
_REPAIR = "run: sp00ky migrate --repair"
_PERMISSIONS = " (docs/row-contract.md says how)"
_CHANGED = {
    "path": "have something else requested than was checked, also between two attempts",
    "payload": "have something else sent than was checked, also between two attempts",
    "status": "end a job that isn't done, or have one that is done sent again",
    "retries": "have a job sent again and again, or end it",
    "errors": "hide what went wrong, and that a request may have arrived",
}


async def findings(connection: Connection, tables: Iterable[JobTable]) -> list[Finding]:
    """What ``check`` has to say, those that stop jobs first."""
    wanted = list(tables)
    layouts = await read_layout(connection, [*OWN_TABLES, *(each.table for each in wanted)])
    own = [each for name in OWN_TABLES for each in _own(layouts[name])]
    refusal = await refusal_of_all(connection, writes=not own)
    found = [] if refusal is None else [finding_of("", refusal)]
    for table in wanted:
        layout = layouts[table.table]
        found += _job(table, layout)
        if refusal is None and layout.is_job_table and layout.is_migrated:
            found += [finding_of(table.table, each) for each in await refusals(connection, table, layout)]
    return sorted([*found, *own], key=lambda each: not each.stops_jobs)


def _own(layout: TableLayout) -> Iterator[Finding]:
    if not layout.exists:
        yield _stop(layout.name, "the table is missing", "runners can't work together", _MIGRATE)


def _job(table: JobTable, layout: TableLayout) -> Iterator[Finding]:
    name = table.table
    if not layout.exists:
        yield _stop(name, "the table is missing", f"no job of {table.backend} can be stored", _MIGRATE)
    elif not layout.is_job_table:
        yield _stop(
            name, "it is no job table", f"no job of {table.backend} can be stored", "change method.table"
        )
    else:
        yield from _missing(name, layout)
        yield from _weak(table, layout)
        yield from _exposed(name, layout)


def _missing(name: str, layout: TableLayout) -> Iterator[Finding]:
    for each in sorted(OUR_FIELDS - layout.fields.keys()):
        yield _stop(f"{name}.{each}", "the field is missing", "its jobs can't be claimed", _MIGRATE)
    for each in sorted(OUR_INDEXES - layout.indexes.keys()):
        yield _stop(f"{name}.{each}", "the index is missing", "its jobs aren't claimed", _MIGRATE)


def _weak(table: JobTable, layout: TableLayout) -> Iterator[Finding]:
    name = table.table
    if not layout.holds_entries:
        consequence = "why an attempt failed isn't kept on the row"
        yield _warn(f"{name}.errors", "its entries can't have fields", consequence, _REPAIR)
    if not layout.keeps_payload_objects:
        consequence = "a payload that is an object is stored empty (JSON text is kept)"
        yield _warn(f"{name}.payload", "its objects can't have fields", consequence, _REPAIR)
    if layout.created_at_moves:
        consequence = "the newest job of a parent isn't found after a retry"
        yield _warn(f"{name}.created_at", "it moves at each update", consequence, _REPAIR)
    if not layout.links_any_record:
        consequence = "a job without it, or with a parent in another table, is refused"
        yield _warn(
            f"{name}.assigned_to", f"its type is {layout.type_of('assigned_to')}", consequence, _REPAIR
        )
    refused = layout.refused_strategies(table.strategies)
    if refused:
        problem = f"its ASSERT doesn't allow {', '.join(refused)}"
        yield _warn(f"{name}.retry_strategy", problem, "a job with such a strategy is refused", _REPAIR)


def _exposed(name: str, layout: TableLayout) -> Iterator[Finding]:
    scanned = ", ".join(layout.unindexed_for_users)
    if scanned:
        problem = f"PERMISSIONS FOR select WHERE true (not FULL) on {scanned}"
        consequence = (
            "no index serves a record user: a query for the newest job of a parent reads the whole table"
        )
        yield _warn(name, problem, consequence, _REPAIR)
    for each in layout.writable_leases:
        consequence = "a client can make its row unreclaimable, or have it sent twice"
        yield _warn(f"{name}.{each}", "clients may write it", consequence, _REPAIR)
    for each in layout.changeable:
        mend = f"add to its definition: PERMISSIONS FOR update NONE{_PERMISSIONS}"
        yield _warn(f"{name}.{each}", "clients may change it", f"a client can {_CHANGED[each]}", mend)
    if layout.open_for:
        deeds = ", ".join(layout.open_for)
        consequence = "whoever is signed in, as any user, does so with everybody's jobs"
        mend = f"let PERMISSIONS of the table say whose jobs they are{_PERMISSIONS}"
        yield _warn(name, f"any client may {deeds}", consequence, mend)


def _stop(subject: str, problem: str, consequence: str, mend: str) -> Finding:
    return Finding(stops_jobs=True, subject=subject, problem=problem, consequence=consequence, mend=mend)


def _warn(subject: str, problem: str, consequence: str, mend: str) -> Finding:
    return Finding(stops_jobs=False, subject=subject, problem=problem, consequence=consequence, mend=mend)
