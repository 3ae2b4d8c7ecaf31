"""What is wrong with the database, each finding with its consequence and its mend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_postgres.catalog import exists, find_table, server_version
from sp00ky_store_postgres.connections import Connections
from sp00ky_store_postgres.differing import differing
from sp00ky_store_postgres.errors import READ_ONLY
from sp00ky_store_postgres.layout import COLUMNS
from sp00ky_store_postgres.listen import hears
from sp00ky_store_postgres.migrate import session
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.policies import kept_by_policies
from sp00ky_store_postgres.refusing import OLDEST_SERVER
from sp00ky_store_postgres.rights import Lack, lacking
from sp00ky_store_postgres.statements import quoted, read_sql
from sp00ky_store_postgres.tables import Tables
from sp00ky_store_postgres.unfinished import unfinished

__all__ = ["check"]

MANY_DEAD = 100_000
DEAD_PER_LIVE = 4
"""A table with more dead rows than both: autovacuum doesn't get through."""
LARGE = 64 * 2**20
LARGEST_ROW = 3 * 2**10
"""Bytes that a row takes at most, with the room beside it: what is longer is kept elsewhere (TOAST)."""
EMPTY_PER_FULL = 4
"""A table that is both large and so much larger than its rows can be."""


async def check(options: PostgresOptions, tables: Tables, connections: Connections) -> list[Finding]:
    """See ``Store.check``. Raises ``StoreUnavailable`` also for a server that takes no writes now."""
    async with session(options) as connection:
        if await connection.fetchval("SHOW transaction_read_only") == "on":
            raise StoreUnavailable(store=options.direct_location, problem=READ_ONLY)
        lacks = await lacking(connection, tables)
        findings = [_right(each) for each in lacks]
        findings += [each async for each in _settings(connection)]
        if not any(each.name is None or "SELECT" in each.rights for each in lacks):
            findings += await unfinished(connection, tables, options)
            for table in tables.all:
                if await exists(connection, tables.name(table)):
                    findings += [each async for each in _table(connection, table, tables)]
    if options.notify and connections.is_open:
        findings += await _signal(connections, options)
    return findings


async def _signal(connections: Connections, options: PostgresOptions) -> list[Finding]:
    if await hears(connections, options):
        return []
    return [
        Finding(
            stops_jobs=False,
            subject="LISTEN",
            problem="it is accepted, but a notification doesn't arrive: a pooler in transaction mode",
            consequence="idle runners find new jobs by polling only, up to a second late",
            mend="add listen_url=<the server itself> to the store's URL",
        )
    ]


def _right(lack: Lack) -> Finding:
    """Without the versions, jobs run all the same."""
    only_versions = lack.name == "sp00ky_migration"
    return Finding(
        stops_jobs=not only_versions,
        subject=lack.subject,
        problem=str(lack),
        consequence="whether the tables are complete can't be seen"
        if only_versions
        else "enqueueing or running fails",
        mend=lack.grant,
    )


async def _settings(connection: Any) -> AsyncIterator[Finding]:
    version = await server_version(connection)
    if version < OLDEST_SERVER:
        yield Finding(
            stops_jobs=True,
            subject="server",
            problem=f"it is PostgreSQL {version}",
            consequence="statements fail",
            mend=f"upgrade it to PostgreSQL {OLDEST_SERVER} or newer",
        )
    for name, consequence in (
        ("fsync", "a crash of the server may lose or repeat jobs"),
        ("synchronous_commit", "a crash of the server may forget a claim: its request is sent twice"),
    ):
        if await connection.fetchval(f"SHOW {name}") == "off":
            yield Finding(
                stops_jobs=False,
                subject=name,
                problem="it is off",
                consequence=consequence,
                mend="turn it on",
            )


async def _table(connection: Any, table: JobTable, tables: Tables) -> AsyncIterator[Finding]:
    name = tables.name(table)
    found = await find_table(connection, tables.schema, table.table)
    for column in sorted((found.must_be_given if found else frozenset()) - {each.name for each in COLUMNS}):
        yield Finding(
            stops_jobs=True,
            subject=f"{table.table}.{column}",
            problem="it is NOT NULL and has no default",
            consequence="no job can be enqueued",
            mend=f"ALTER TABLE {name} ALTER COLUMN {quoted(column)} SET DEFAULT ...",
        )
    for finding in differing(table, tables, found) if found else ():
        yield finding
    async for finding in _standing(connection, name):
        yield finding
    async for finding in kept_by_policies(connection, table, tables):
        yield finding
    async for finding in _references(connection, name):
        yield finding
    async for finding in _bloat(connection, name):
        yield finding


async def _standing(connection: Any, name: str) -> AsyncIterator[Finding]:
    for row in await connection.fetch(read_sql("standing"), name):
        if row["unlogged"]:
            yield Finding(
                stops_jobs=False,
                subject=name,
                problem="it is UNLOGGED",
                consequence="a crash of the server deletes every job",
                mend=f"ALTER TABLE {name} SET LOGGED",
            )


async def _references(connection: Any, name: str) -> AsyncIterator[Finding]:
    for row in await connection.fetch(read_sql("references"), name):
        yield Finding(
            stops_jobs=False,
            subject=name,
            problem=f"constraint {row['name']} of {row['referrer']} references it "
            "without ON DELETE SET NULL or CASCADE",
            consequence="jobs that it references can't be deleted, neither by retention nor by jobs clear",
            mend=f"ALTER TABLE {row['referrer']} DROP CONSTRAINT {row['name']}, and add it again "
            "with ON DELETE SET NULL or ON DELETE CASCADE",
        )


async def _bloat(connection: Any, name: str) -> AsyncIterator[Finding]:
    for row in await connection.fetch(read_sql("bloat"), name):
        if row["never_vacuumed"]:
            yield Finding(
                stops_jobs=False,
                subject=name,
                problem="its autovacuum is off",
                consequence="it grows without end, and claims get slower and slower",
                mend=f"ALTER TABLE {name} RESET (autovacuum_enabled)",
            )
        elif row["dead"] > max(MANY_DEAD, DEAD_PER_LIVE * row["live"]):
            yield Finding(
                stops_jobs=False,
                subject=name,
                problem=f"it holds {row['dead']} dead rows beside {row['live']} live ones",
                consequence="claims step over them, and the table grows",
                mend=f"VACUUM {name}; see that autovacuum is on, and that no transaction stays open for long",
            )
        elif 0 < row["live"] < row["bytes"] / (EMPTY_PER_FULL * LARGEST_ROW) and row["bytes"] > LARGE:
            yield Finding(
                stops_jobs=False,
                subject=name,
                problem=f"it takes {row['bytes'] // 2**20} MiB for {row['live']} rows: most of it is empty",
                consequence="what reads the whole table, as stats, is slow, and the disk fuller than need be",
                mend=f"VACUUM FULL {name}, which locks it meanwhile, or pg_repack",
            )
