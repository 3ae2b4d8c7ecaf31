"""Find rows that wait in vain: no runner is alive, no backend names their table, their backend throttles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.errors import TableMissing
from sp00ky_store_surreal.observe.stats import MOST_READ
from sp00ky_store_surreal.rows import count_of
from sp00ky_store_surreal.surql.claim_parts import first_pending
from sp00ky_store_surreal.surql.loader import quoted, surql


async def waiting(connection: Connection, tables: Sequence[JobTable]) -> list[Finding]:
    """Report what waits in these tables, which have been migrated, and in others that once were."""
    statement = surql("check_any_runner_alive") + "".join(
        surql("check_waiting_jobs", **_names(each, embedded=connection.target.embedded)) for each in tables
    )
    alive, *found = await connection.read(statement)
    due, deferred, others = found[::3], found[1::3], found[2::3]
    findings = []
    for number, table in enumerate(tables):
        findings += [
            *_unserved(table, due=bool(due[number]), alive=bool(alive)),
            *_deferred(table, deferred[number]),
            *_others(table, others[number]),
        ]
    return [*findings, *await _abandoned(connection, {each.table for each in tables})]


def _names(table: JobTable, *, embedded: bool) -> dict[str, str]:
    first = first_pending(table, embedded=embedded)
    return {"table": quoted(table.table), "first": first, "most": str(MOST_READ)}


def _unserved(table: JobTable, *, due: bool, alive: bool) -> Iterator[Finding]:
    if due and not alive:
        yield Finding.warning(
            table.table,
            "jobs are due, and no runner has beaten for 10 s",
            f"jobs of {table.backend} aren't delivered",
            "run: sp00ky run",
        )


def _deferred(table: JobTable, counted: Any) -> Iterator[Finding]:
    number = count_of(counted)
    if number:
        yield Finding.warning(
            table.table,
            f"{'1 job has' if number == 1 else f'{number} jobs have'} been deferred for over an hour",
            f"{table.backend} throttles them, or no runner has a document with their route",
            "look at: sp00ky jobs stats, and at an entry in errors of one of them",
        )


def _others(table: JobTable, counted: Any) -> Iterator[Finding]:
    number, name = count_of(counted), quoted(table.table)
    if number:
        yield Finding.warning(
            table.table,
            f"{'1 row has' if number == 1 else f'{number} rows have'} an array or an object as key",
            "no runner delivers them, and no command shows them: the key of a job is text, an int or a uuid",
            f"create them again with such a key, then: DELETE {name} WHERE id >= {name}:[]",
        )


async def _abandoned(connection: Connection, named: set[str]) -> list[Finding]:
    """Report tables that were migrated, and that no backend names any more."""
    try:
        migrated = (await connection.read("SELECT VALUE table_name FROM sp00ky_migration;"))[-1]
    except TableMissing:
        return []
    findings = []
    for name in sorted(set(migrated) - named):
        number = await _pending(connection, name)
        if number:
            findings.append(
                Finding.warning(
                    name,
                    f"no backend names it in method.table; jobs waiting in it: {number}",
                    "they are never delivered",
                    f"give a backend method.table: {name}, or kill and clear them",
                )
            )
    return findings


async def _pending(connection: Connection, name: str) -> int:
    try:
        return count_of((await connection.read(surql("check_count_pending", table=quoted(name))))[-1])
    except TableMissing:  # it was removed
        return 0
