"""Find what is wrong with the server, the role's privileges, the tables and the jobs in them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.ports import Finding, JobTable, Table, Use
from sp00ky_store_kit import Is, Session
from sp00ky_store_kit.jobs.due import next_due
from sp00ky_store_kit.schema import RUNNERS, plan
from sp00ky_store_kit.schema import findings as missing
from sp00ky_store_postgres.connection.statements import Executor
from sp00ky_store_postgres.errors import MIGRATE, READ_ONLY, is_refusal
from sp00ky_store_postgres.kit_session import PostgresSession
from sp00ky_store_postgres.notifications import is_heard
from sp00ky_store_postgres.schema import migrate
from sp00ky_store_postgres.schema.definition import COLUMNS, JOB_KEY, KEY_COLUMNS, Tables, object_name
from sp00ky_store_postgres.sql.loader import fill, quoted, read_sql
from sp00ky_store_postgres.url import PostgresOptions

STOPS = "no job can be enqueued or delivered"

MANY_DEAD = 100_000
DEAD_PER_LIVE = 4
"""How many dead rows, and how many for each live one, a table has where autovacuum doesn't get through."""
LARGE = 64 * 2**20
LARGEST_ROW = 3 * 2**10
"""Bytes that a row takes at most, with the room beside it: what is longer is kept elsewhere (TOAST)."""
EMPTY_PER_FULL = 4
"""How many times larger than its rows can be a ``LARGE`` table must be to be reported."""

ALIVE = timedelta(seconds=10)
"""Seconds since its last beat for which a runner counts as alive."""
DEFERRED_LONG = timedelta(hours=1)
MANY = 10_000
"""Up to which number jobs are counted."""


async def check(
    options: PostgresOptions, executor: Executor, extensions: Sequence[Table] = ()
) -> list[Finding]:
    """See ``Store.check``. Raises ``StoreUnavailable`` also for a server that takes no writes now."""
    tables = executor.tables
    async with migrate.session(options) as connection:
        if await connection.fetchval("SHOW transaction_read_only") == "on":
            raise StoreUnavailable(store=options.direct_location, problem=READ_ONLY)
        findings, may_read = await _privileges(connection, tables, Use.RUN)
        others = [_settings(connection)]
        if may_read:
            session = PostgresSession(tables, connection.fetch)
            of_extensions = missing(await plan(session, extensions, options.location))
            others.append(_migrations(connection, tables, of_extensions))
            for table in tables.all:
                others += await TableCheck(connection, tables, table, tables.name(table)).parts()
            others.append(_forsaken_tables(connection, tables))
        if options.notify and executor.is_open:
            others.append(_notifications(connection, executor))
        for some in others:
            findings += [finding async for finding in some]
    return findings


async def _notifications(connection: Any, executor: Executor) -> AsyncIterator[Finding]:
    if not await is_heard(connection, executor):
        yield Finding.warning(
            "LISTEN",
            "it is accepted, but a notification doesn't arrive: a pooler in transaction mode",
            "idle runners find new jobs by polling only, up to a second late",
            "add listen_url=<the server itself> to the store's URL",
        )


async def _settings(connection: Any) -> AsyncIterator[Finding]:
    version = await migrate.server_version(connection)
    if version < migrate.OLDEST_SERVER:
        fix = f"upgrade it to PostgreSQL {migrate.OLDEST_SERVER} or newer"
        yield Finding.stopping("server", f"it is PostgreSQL {version}", "statements fail", fix)
    for name, consequence in (
        ("fsync", "a crash of the server may lose or repeat jobs"),
        ("synchronous_commit", "a crash of the server may forget a claim: its request is sent twice"),
        ("autovacuum", "the tables grow without end, and claims get slower and slower"),
        ("track_counts", "autovacuum can't run, and the tables grow without end"),
    ):
        if await connection.fetchval(f"SHOW {name}") == "off":
            yield Finding.warning(name, "it is off", consequence, "turn it on")
    if standbys := await connection.fetchval(read_sql("standbys")):
        yield Finding.warning(
            "synchronous_standby_names",
            f"commits wait for none of {standbys} standby{'s' if standbys > 1 else ''}",
            "one that is promoted may lack jobs that were committed, and send others twice",
            "nothing if none is ever promoted; else see docs/maintenance.md#failover",
        )


# Privileges.


async def lacking(options: PostgresOptions, tables: Tables) -> Mapping[Use, list[Finding]]:
    """See ``Grants.lacking``."""
    async with migrate.session(options) as connection:
        return {use: (await _privileges(connection, tables, use))[0] for use in Use}


async def _privileges(connection: Any, tables: Tables, use: Use) -> tuple[list[Finding], bool]:
    """Find what the role of this connection lacks for a use; also whether it may read what that needs."""
    pairs = [(name, right) for name, rights in tables.rights()[use].items() for right in rights]
    rows = await connection.fetch(read_sql("rights"), tables.schema, *map(list, zip(*pairs, strict=True)))
    may_read = not any({"USAGE", "SELECT"}.intersection(row["privileges"]) for row in rows)
    return [_lacking_right(row, tables) for row in rows], may_read


def _lacking_right(row: Any, tables: Tables) -> Finding:
    """Report what a role lacks on a relation, or on the schema; jobs run without the versions, too."""
    name, rights = row["name"], ", ".join(row["privileges"])
    subject = quoted(tables.schema) if name is None else quoted(tables.schema, name)
    only_versions = name == "sp00ky_migration"
    return Finding(
        stops_jobs=not only_versions,
        subject=subject,
        problem=f"role {row['role']} may not {'use the schema (USAGE)' if name is None else rights}",
        consequence="whether the tables are complete can't be seen"
        if only_versions
        else "enqueueing or running fails",
        fix=f"GRANT {rights} ON {'SCHEMA ' if name is None else ''}{subject} TO {quoted(row['role'])}",
    )


# Tables.


async def _migrations(
    connection: Any, tables: Tables, of_extensions: Sequence[Finding]
) -> AsyncIterator[Finding]:
    """Find what the migrations have still to make; one finding where there are no tables yet."""
    try:
        steps = await migrate.pending(connection, tables)
    except migrate.TableRefused as error:
        yield Finding.stopping(tables.schema, error.problem, STOPS, error.fix)
        return
    created = {step.table for step in steps if step.creates_table}
    if created == tables.by_name.keys():
        problem = f"the tables are missing: {', '.join(sorted(created))}"
        yield Finding.stopping(tables.schema, problem, STOPS, MIGRATE)
        return
    incomplete = {step.table for step in steps if not step.is_record}
    lacking = {
        (step.table, step.problem): step.finding
        for step in steps
        if step.creates_table or step.table not in (incomplete if step.is_record else created)
    }
    for finding in (*lacking.values(), *of_extensions):
        yield finding


@attrs.frozen
class TableCheck:
    """Finds what is wrong with a job table that is there, and with the jobs in it; its ``name`` is SQL."""

    connection: Any
    tables: Tables
    table: JobTable
    name: str

    async def parts(self) -> list[AsyncIterator[Finding]]:
        """Return what finds something; nothing where there is no such table."""
        relation = await migrate.find_table(self.connection, self.tables.schema, self.table.table)
        if relation is None:
            return []
        others = [self._columns(relation), self._assigned(relation), self._state(), self._references()]
        if {"run_at", "deferred_since", "priority", "ordering_key"} <= relation.types.keys():
            others.append(self._waiting_jobs())
        return others

    async def _columns(self, relation: migrate.Relation) -> AsyncIterator[Finding]:
        """Find columns that are missing, or of another type; those that a migration adds aside."""
        alter = f"ALTER TABLE {self.name} ALTER COLUMN"
        for column in sorted(relation.must_be_given - COLUMNS.keys()):
            problem, fix = "it is NOT NULL and has no default", f"{alter} {quoted(column)} SET DEFAULT ..."
            yield Finding.stopping(f"{self.table.table}.{column}", problem, "no job can be enqueued", fix)
        by_migration = {statement.name for statement in migrate.statements() if statement.kind == "column"}
        for column, type_ in COLUMNS.items():
            subject, is_ = f"{self.table.table}.{column}", relation.types.get(column)
            if is_ is None and column not in by_migration:
                fix = "add it again, as docs/row-contract.md has it"
                yield Finding.stopping(subject, f"column {column} is missing", STOPS, fix)
            elif is_ not in {None, type_}:
                fix = f"{alter} {column} TYPE {type_} USING {column}::{type_}"
                if triggers := self._triggers_on(column):  # PostgreSQL changes no column that a trigger reads
                    drops = (f"DROP TRIGGER IF EXISTS {trigger} ON {self.name}; " for trigger in triggers)
                    fix = f"{''.join(drops)}{fix}, and then sp00ky migrate"
                yield Finding.stopping(subject, f"column {column} is {is_}, not {type_}", STOPS, fix)

    def _triggers_on(self, column: str) -> list[str]:
        reads = re.compile(rf"\bNEW\.{column}\b")
        made = (one for one in migrate.statements() if one.kind == "trigger" and reads.search(one.text))
        return [quoted(object_name(self.table.table, trigger.name)) for trigger in made]

    async def _assigned(self, relation: migrate.Relation) -> AsyncIterator[Finding]:
        """Find what refuses jobs without ``assigned_to``."""
        refuses, alter = {}, f"ALTER TABLE {self.name}"
        if "assigned_to" in relation.must_be_given:
            refuses["it is NOT NULL"] = f"{alter} ALTER COLUMN assigned_to DROP NOT NULL"
        for row in await self.connection.fetch(read_sql("assigned_checks"), self.name):
            check = fill(read_sql("check_of_nothing"), expression=row["expression"], table=self.name)
            if await _refuses(self.connection, check):
                problem = f"the CHECK {row['name']} requires it"
                refuses[problem] = f"{alter} DROP CONSTRAINT {row['name']}"
        consequence = "jobs without it are refused, and those that extensions make have none"
        for problem, fix in refuses.items():
            yield Finding.warning(f"{self.table.table}.assigned_to", problem, consequence, fix)

    async def _state(self) -> AsyncIterator[Finding]:
        """Find what loses or hides rows, and what slows claims down."""
        name, row = self.name, await self.connection.fetchrow(read_sql("table_state"), self.name)
        if row["unlogged"]:
            consequence = "a crash of the server deletes every job"
            yield Finding.warning(name, "it is UNLOGGED", consequence, f"ALTER TABLE {name} SET LOGGED")
        if row["has_row_security"]:
            role = quoted(row["role"])
            yield Finding.warning(
                name,
                f"row-level security is active for role {row['role']}, which doesn't bypass it",
                "what its policies hide is never delivered, and what they refuse isn't written",
                f"ALTER ROLE {role} BYPASSRLS, or a policy TO {role} USING (true) WITH CHECK (true)",
            )
        if row["never_vacuumed"]:
            yield Finding.warning(
                name,
                "its autovacuum is off",
                "it grows without end, and claims get slower and slower",
                f"ALTER TABLE {name} RESET (autovacuum_enabled)",
            )
        elif row["dead"] > max(MANY_DEAD, DEAD_PER_LIVE * row["live"]):
            yield Finding.warning(
                name,
                f"it holds {row['dead']} dead rows beside {row['live']} live ones",
                "claims step over them, and the table grows",
                f"VACUUM {name}; see that autovacuum is on, and that no transaction stays open for long",
            )
        elif 0 < row["live"] < row["bytes"] / (EMPTY_PER_FULL * LARGEST_ROW) and row["bytes"] > LARGE:
            yield Finding.warning(
                name,
                f"it takes {row['bytes'] // 2**20} MiB for {row['live']} rows: most of it is empty",
                "what reads the whole table, as stats, is slow, and the disk fuller than need be",
                f"VACUUM FULL {name}, which locks it meanwhile, or pg_repack",
            )

    async def _references(self) -> AsyncIterator[Finding]:
        for name, referrer in await self.connection.fetch(read_sql("references"), self.name):
            problem = f"constraint {name} of {referrer} references it without ON DELETE SET NULL or CASCADE"
            kept = "jobs that it references can't be deleted, neither by retention nor by jobs clear"
            again = "add it again with ON DELETE SET NULL or ON DELETE CASCADE"
            fix = f"ALTER TABLE {referrer} DROP CONSTRAINT {name}, and {again}"
            yield Finding.warning(self.name, problem, kept, fix)

    async def _waiting_jobs(self) -> AsyncIterator[Finding]:
        """Find what is due while no runner is alive, and what has been deferred for over an hour."""
        reading = PostgresSession(self.tables, self.connection.fetch)
        now, due = await reading.now(), await next_due(reading, [self.table])
        if due is not None and due <= now and not await _has_runner(self.connection, reading, self.tables):
            problem = f"a job has been due for {int((now - due).total_seconds())} s, and no runner is alive"
            waits = "its jobs wait until one is started"
            yield Finding.warning(self.table.table, problem, waits, "start one: sp00ky run")
        statement = fill(read_sql("deferred"), table=self.name)
        row = await self.connection.fetchrow(statement, now - DEFERRED_LONG)
        if row["count"]:
            hours, minutes = divmod(int((now - row["since"]).total_seconds()) // 60, 60)
            yield Finding.warning(
                self.table.table,
                f"deferred for over an hour: {row['count']}, the longest for {hours} h {minutes} min",
                "their backend throttles them, or no runner knows their route yet",
                f"see their last errors: sp00ky jobs errors --backend {self.table.backend} --status pending",
            )


async def _refuses(connection: Any, check: str) -> bool:
    try:
        return bool(await connection.fetchval(check))
    except asyncpg.PostgresError as error:  # of a function that it calls
        if is_refusal(error):
            return True
        raise


async def _has_runner(connection: Any, reading: Session, tables: Tables) -> bool:
    """Tell whether a runner is alive; where there is no table of runners, that is said elsewhere."""
    if await connection.fetchval("SELECT to_regclass($1::text)", tables.own["runner"]) is None:
        return True
    return await reading.count(RUNNERS, [Is("beat_at", ">", await reading.now() - ALIVE)]) > 0


async def _forsaken_tables(connection: Any, tables: Tables) -> AsyncIterator[Finding]:
    """Find job tables that were migrated here, that no backend names any more, and in which jobs wait."""
    kept = await migrate.find_table(connection, tables.schema, "sp00ky_migration")
    if kept is None or not KEY_COLUMNS["sp00ky_migration"].items() <= kept.types.items():
        return  # it is another application's
    for name in sorted((await migrate.versions(connection, tables)).keys() - tables.by_name.keys()):
        relation = await migrate.find_table(connection, tables.schema, name)
        if relation is None or not JOB_KEY.keys() <= relation.types.keys():
            continue
        table = quoted(tables.schema, name)
        if not await connection.fetchval("SELECT has_table_privilege($1::text::regclass, 'SELECT')", table):
            continue
        count = await connection.fetchval(fill(read_sql("waiting"), table=table, most=str(MANY)))
        shown = f"{MANY} or more" if count >= MANY else count
        if count:
            yield Finding.warning(
                name,
                f"no backend names it in method.table; jobs waiting in it: {shown}",
                "they are never delivered",
                f"give a backend method.table: {name}, or kill and clear them",
            )
