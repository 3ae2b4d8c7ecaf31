"""Privileges that roles need are enough, and those that are missing are named."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import pytest
import pytest_asyncio
from tests.command_line import answering, each_role_is_held_against_its_use, write_project
from tests.schedules.firing import NAME, define, fire_of
from tests.schedules.source import schedules_of
from tests.store_postgres.conftest import findings

from sp00ky_core import JobStatus, JobTable, SchemaError
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports import Act
from sp00ky_core.stores.ids import new_key
from sp00ky_core.stores.transitions import clear, kill, reschedule, retry
from sp00ky_schedules.model.records import RunQuery, RunStatus, ScheduleChange
from sp00ky_store_postgres import PostgresStore

FAR = datetime(9999, 1, 1, tzinfo=UTC)
LIMITED = JobTable(backend="api", table="job", max_in_flight=9)


async def test_check_finds_a_missing_right(
    store: PostgresStore, sql: Any, quoted: str, schema: str, dsn: str, make: Any, new_job: Any
) -> None:
    await sql.execute("DROP ROLE IF EXISTS sp00ky_reader; CREATE ROLE sp00ky_reader LOGIN PASSWORD 's3cret'")
    await sql.execute(f"GRANT USAGE ON SCHEMA {quoted} TO sp00ky_reader")
    await sql.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {quoted} TO sp00ky_reader")
    base = re.sub(r"//[^@/]*@", "//sp00ky_reader:s3cret@", dsn)
    reader = make(base=base, schema=schema)
    try:
        await reader.open()
        problems = [finding for finding in await findings(reader) if "may not" in finding.problem]
        assert {problem.problem for problem in problems} == {
            "role sp00ky_reader may not INSERT, UPDATE, DELETE"
        }
        assert len(problems) == 8
        assert all(problem.stops_jobs and problem.fix.startswith("GRANT INSERT") for problem in problems)
        with pytest.raises(SchemaError, match="permission denied for table job"):
            await reader.add([new_job()])
        with pytest.raises(SchemaError, match="permission denied"):
            await make(base=base, schema="sp00ky_elsewhere").migrate()
    finally:
        await reader.close()
        await sql.execute("DROP OWNED BY sp00ky_reader; DROP ROLE sp00ky_reader")


async def test_who_may_call_no_functions_of_locks_may_insert(
    store: PostgresStore, sql: Any, quoted: str
) -> None:
    transaction = sql.transaction()
    await transaction.start()
    for name in ("pg_try_advisory_lock_shared", "pg_advisory_unlock_shared", "pg_try_advisory_xact_lock"):
        await sql.execute(f"REVOKE EXECUTE ON FUNCTION {name}(bigint) FROM PUBLIC")
    await sql.execute(f"CREATE ROLE no_locks; GRANT USAGE ON SCHEMA {quoted} TO no_locks")
    await sql.execute(f"GRANT INSERT ON {quoted}.job TO no_locks; SET LOCAL ROLE no_locks")
    await sql.execute(f"INSERT INTO {quoted}.job (path) VALUES ('/spookify')")
    await transaction.rollback()


@pytest_asyncio.fixture
async def stores(
    make: Any, sql: Any, schema: str, url: str, as_role: Any
) -> AsyncIterator[dict[str, PostgresStore]]:
    """Stores of three roles, which have what is printed and nothing else."""
    owner = make()
    await owner.open()
    await owner.migrate()
    names = {word: f"{word}_{schema[-13:-1]}" for word in ("runner_role", "operator_role", "app_role")}
    for name in names.values():
        await sql.execute(f"CREATE ROLE {name} LOGIN")
    stores = {word: make(base=as_role(url, name)) for word, name in names.items()}
    try:
        for statement in owner.grants():
            await sql.execute(re.sub(r"\b\w+_role\b", lambda found: names[found[0]], statement))
        for store in stores.values():
            await store.open()
        yield stores
    finally:
        for store in (owner, *stores.values()):
            await store.close()
        for name in names.values():
            await sql.execute(f"DROP OWNED BY {name}")
            await sql.execute(f"DROP ROLE {name}")


async def test_the_grants_are_enough(
    make: Any, stores: dict[str, PostgresStore], schema: str, url: str, new_job: Any, as_role: Any
) -> None:
    job, other = await stores["app_role"].add([new_job(), new_job(dedup_key="once")])
    assert (await stores["app_role"].get(job.id)).status is JobStatus.PENDING
    runner = stores["runner_role"]
    await runner.beat("r")
    assert not await runner.check()
    assert len(await runner.claim({"api": 10}, "r")) == 2
    await runner.prune()
    limited = make(base=as_role(url, f"runner_role_{schema[-13:-1]}"), tables=(LIMITED,))
    await limited.open()
    assert await limited.claim({"api": 10}, "r") == []
    await limited.close()
    operator = stores["operator_role"]
    assert [result.fate for result in await kill(operator, [job.id, other.id])] == ["killed"] * 2
    assert (await operator.stats())["api"].failed == 2
    assert [result.fate for result in await retry(operator, [job.id])] == ["retried"]
    assert [result.fate for result in await clear(operator, [other.id])] == ["cleared"]
    (copy,) = await operator.add([new_job()])
    (moved,) = await reschedule(operator, [copy.id], Rescheduled(delay=60))
    assert moved.fate == "rescheduled"
    moved_id = operator.own_id(f"job:{new_key()}")
    assert moved_id is not None
    ended = attrs.evolve(await operator.get(copy.id), id=moved_id, status=JobStatus.FAILED)
    await operator.import_jobs([ended])
    assert await operator.redact([ended]) == [ended.id]
    assert (await operator.copies_of([ended.id]), await schedules_of(operator).forget_runs([ended.id])) == (
        [],
        0,
    )
    entry = await operator.start_audit(Act(action="pause"))
    assert await operator.pause("api")
    assert await operator.resume("api")
    await operator.update_audit(entry, count=1, ended=True)
    assert [listed.id for listed in await operator.audit()] == [entry]
    assert await operator.drain_runner("r")
    with pytest.raises(SchemaError, match="permission denied"):
        await stores["app_role"].claim({"api": 1}, "r")


async def test_check_holds_each_role_against_its_use(
    tmp_path: Path, sql: Any, schema: str, url: str, as_role: Any
) -> None:
    def named(text: str) -> str:
        return re.sub(r"\b(\w+_role)\b", rf"\1_{schema[-13:-1]}", text)

    roles = ", ".join(map(named, ("runner_role", "operator_role", "app_role")))
    await sql.execute("".join(f"CREATE ROLE {role} LOGIN;" for role in roles.split(", ")))
    try:
        async with answering() as backend:
            await each_role_is_held_against_its_use(
                write_project(tmp_path, backend, url),
                url,
                lambda statement: sql.execute(named(statement)),
                lambda role: as_role(url, named(role)),
            )
    finally:
        await sql.execute(f"DROP OWNED BY {roles}; DROP ROLE {roles}")


async def test_an_operator_alone_says_what_a_job_is_a_copy_of(
    stores: dict[str, PostgresStore], as_role: Any, dsn: str, schema: str, quoted: str
) -> None:
    insert = f"INSERT INTO {quoted}.job (path, copied_from) VALUES ('/a', 'job:1') RETURNING 'job:' || id"
    client, operator = [
        await asyncpg.connect(as_role(dsn, f"{word}_{schema[-13:-1]}"))
        for word in ("app_role", "operator_role")
    ]
    try:
        with pytest.raises(asyncpg.CheckViolationError, match="copied_from is written by operators alone"):
            await client.fetchval(insert)
        copy = await operator.fetchval(insert)
    finally:
        await client.close()
        await operator.close()
    assert (await stores["operator_role"].get(copy)).copied_from == "job:1"


async def test_the_grants_are_enough_for_schedules(stores: dict[str, PostgresStore]) -> None:
    runner, operator = schedules_of(stores["runner_role"]), schedules_of(stores["operator_role"])
    await define(runner)
    assert await runner.change_schedule(fire_of(await runner.schedules(), ["k"]))
    (run,) = await runner.runs(RunQuery())
    stored = (await operator.schedules()).schedules[NAME]
    paused = ScheduleChange(schedule=attrs.evolve(stored, paused=True), runs=[run])
    assert await operator.change_schedule(paused) == []
    assert await operator.change_schedule(fire_of(await operator.schedules(), ["k"]))
    ended = [attrs.evolve(made, status=RunStatus.SUCCESS) for made in await operator.runs(RunQuery())]
    stored = (await runner.schedules()).schedules[NAME]
    assert await runner.change_schedule(ScheduleChange(schedule=stored, runs=ended)) == []
    assert len(await runner.prune_runs(NAME, statuses=[RunStatus.SUCCESS], until=FAR)) == 2
    with pytest.raises(SchemaError, match="permission denied"):
        await schedules_of(stores["app_role"]).schedules()
