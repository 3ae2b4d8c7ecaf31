"""A fire is there whole or not at all, once, whoever races for it and whatever is cut off."""

import asyncio
from typing import Any

import pytest
from tests.schedules.firing import KEYS, define, fire_of
from tests.schedules.source import schedules_of

from sp00ky_core.errors import StoreUnavailable
from sp00ky_schedules.model.records import RunQuery
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connection import statements
from sp00ky_store_postgres.connection.statements import Transaction
from sp00ky_store_postgres.kit_session import PostgresSession


async def counts(sql: Any, quoted: str) -> tuple[int, int]:
    """How many jobs there are, and how many runs."""
    tables = (f"{quoted}.job", f"{quoted}.sp00ky_schedule_run")
    jobs, runs = [await sql.fetchval(f"SELECT count(*) FROM {table}") for table in tables]
    return jobs, runs


BLOCKED = """
    CREATE FUNCTION {schema}.block() RETURNS trigger LANGUAGE plpgsql AS
    $f$ BEGIN PERFORM pg_advisory_xact_lock(14); RETURN NEW; END $f$;
    CREATE TRIGGER block BEFORE INSERT ON {schema}.job FOR EACH ROW WHEN (NEW.path = '/block')
    EXECUTE FUNCTION {schema}.block()
"""
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'"


async def blocked_in_the_middle(sql: Any) -> int:
    """Wait until a fire waits for the lock; the process of its connection."""
    async with asyncio.timeout(30):
        while (pid := await sql.fetchval(WAITING)) is None:  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.02)
    return int(pid)


async def test_a_connection_that_is_killed_in_the_middle_leaves_nothing(
    store: PostgresStore, sql: Any, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is tried again; where it can't be, nothing was written."""
    monkeypatch.setattr(statements, "PATIENCE", 0.0)
    await define(schedules_of(store))
    await sql.execute(BLOCKED.format(schema=quoted))
    await sql.execute("SELECT pg_advisory_lock(14)")
    before = await schedules_of(store).schedules()
    middle = {KEYS[len(KEYS) // 2]: {"path": "/block"}}
    firing = asyncio.ensure_future(schedules_of(store).change_schedule(fire_of(before, **middle)))
    await sql.execute("SELECT pg_terminate_backend($1)", await blocked_in_the_middle(sql))
    with pytest.raises(StoreUnavailable):
        await firing
    assert await counts(sql, quoted) == (0, 0)
    assert (await schedules_of(store).schedules()).schedules == before.schedules

    monkeypatch.setattr(statements, "PATIENCE", 60.0)
    firing = asyncio.ensure_future(schedules_of(store).change_schedule(fire_of(before, **middle)))
    await sql.execute("SELECT pg_terminate_backend($1)", await blocked_in_the_middle(sql))
    await sql.execute("SELECT pg_advisory_unlock(14)")
    assert len(await firing or ()) == len(KEYS)
    assert await counts(sql, quoted) == (len(KEYS), len(KEYS))


async def test_a_runner_that_freezes_in_the_middle_holds_up_no_other(
    store: PostgresStore, make: Any, sql: Any, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction is given up, and what it decided is written by nobody."""
    monkeypatch.setattr(statements, "IDLE_SECONDS", 0.3)
    await define(schedules_of(store))
    frozen, goes_on, put = asyncio.Event(), asyncio.Event(), PostgresSession.put

    async def freeze(session: Any, *arguments: Any) -> None:
        if not frozen.is_set():
            frozen.set()
            await goes_on.wait()
        await put(session, *arguments)

    monkeypatch.setattr(PostgresSession, "put", freeze)
    snapshot, other = await schedules_of(store).schedules(), make()
    await other.open()
    firing = asyncio.ensure_future(schedules_of(store).change_schedule(fire_of(snapshot)))
    await frozen.wait()
    async with asyncio.timeout(30):
        runs = await schedules_of(other).change_schedule(fire_of(await schedules_of(other).schedules()))
    goes_on.set()
    assert len(runs or ()) == len(KEYS)
    assert await firing is None
    assert await counts(sql, quoted) == (len(KEYS), len(KEYS))
    await other.close()


async def test_a_fire_whose_reply_is_lost_is_known_to_be_made(
    store: PostgresStore, sql: Any, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(schedules_of(store))
    attempt, tries = Transaction.attempt, 0

    async def cut_off(writing: Any, connection: Any) -> Any:
        nonlocal tries
        written = await attempt(writing, connection)
        tries += bool(writing.written)
        if writing.written and tries == 1:
            connection.terminate()
            raise ConnectionResetError("after the commit")
        return written

    monkeypatch.setattr(Transaction, "attempt", cut_off)
    snapshot = await schedules_of(store).schedules()
    runs = await schedules_of(store).change_schedule(fire_of(snapshot))
    assert tries == 2
    assert runs is not None
    assert sorted(runs, key=lambda run: run.key, reverse=True) == await schedules_of(store).runs(RunQuery())
    assert await counts(sql, quoted) == (len(KEYS), len(KEYS))
    assert await schedules_of(store).change_schedule(fire_of(snapshot)) is None
