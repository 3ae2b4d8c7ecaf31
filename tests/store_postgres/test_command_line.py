"""The command line on a real server: what is wrong is one line that names the part that is."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.command_line import SPEC, start
from tests.conftest import complaints

from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.schema.definition import VERSION

BACKEND = "{spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}}"


@attrs.frozen
class Ended:
    code: int
    out: str
    err: str

    def complaint(self) -> str:
        """Its one line on stderr."""
        assert self.code == 1, self.err
        (line,) = self.err.splitlines()
        assert line.startswith("sp00ky: ")
        return line


Run = Callable[..., Awaitable[Ended]]
Until = Callable[[str], Awaitable[None]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "openapi.yml").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {BACKEND}}}\n")
    return tmp_path


@pytest.fixture
def sp00ky(project: Path, url: str) -> Run:
    async def run(*arguments: str, store: str = url) -> Ended:
        process = await start(project, *arguments, SP00KY_STORE=store)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), complaints(err.decode()))

    return run


@asynccontextmanager
async def running(project: Path, store: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Until]]:
    """A runner that ends well when it is told to; what reads its log up to a line with a text."""
    process = await start(project, "run", SP00KY_STORE=store)
    assert process.stderr is not None
    log = process.stderr

    async def until(text: str) -> None:
        while text not in (line := (await log.readline()).decode()):
            assert line, f"it ended without {text!r}"

    try:
        yield process, until
        await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def transport() -> None:
    """``sp00ky run`` needs one."""
    pytest.importorskip("sp00ky_transport_http", reason="sp00ky-transport-http isn't installed")


async def test_an_empty_database_is_one_line_everywhere(sp00ky: Run) -> None:
    checked = await sp00ky("check")
    assert checked.code == 1
    (line,) = (text for text in checked.out.splitlines() if "transport" not in text)  # which may be missing
    assert "the tables are missing: job" in line
    assert line.endswith("fix: run: sp00ky migrate")
    commands = ("call api /spookify", "jobs stats", f"jobs kill job:{'0' * 32}")
    for ended in await asyncio.gather(*(sp00ky(*command.split()) for command in commands)):
        assert "run: sp00ky migrate" in ended.complaint()
    migrated = await sp00ky("migrate")
    assert migrated.code == 0
    assert all(line.partition(": ")[0] for line in migrated.out.splitlines())
    assert (await sp00ky("check")).code == 0
    assert (await sp00ky("migrate")).out == "nothing to do\n"


async def test_a_role_without_rights_is_told_which(
    store: PostgresStore, sp00ky: Run, sql: Any, schema: str, url: str, as_role: Any
) -> None:
    role = f"weak_{schema[-13:-1]}"
    quoted = '"{}"'.format(schema.replace('"', '""'))
    weak = as_role(url, role)
    await sql.execute(f"CREATE ROLE {role} LOGIN")
    try:
        assert f"role {role} may not use the schema (USAGE)" in (await sp00ky("check", store=weak)).out
        await sql.execute(f"GRANT USAGE ON SCHEMA {quoted} TO {role}; GRANT SELECT ON {quoted}.job TO {role}")
        line = (await sp00ky("call", "api", "/spookify", store=weak)).complaint()
        assert "permission denied for table job: grant this role what it needs (sp00ky check finds" in line
        checked = (await sp00ky("check", store=weak)).out
        assert f'error: {quoted}."job": role {role} may not INSERT, UPDATE, DELETE' in checked
        assert f'GRANT SELECT ON {quoted}."sp00ky_migration" TO "{role}"' in checked
        line = (await sp00ky("migrate", store=weak)).complaint()
        assert re.search("permission denied.*the right to CREATE in the schema.*connect as their owner", line)
    finally:
        await sql.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_runner_does_not_start_in_vain(
    store: PostgresStore, sp00ky: Run, sql: Any, schema: str, transport: None
) -> None:
    """On a schema that is too new, too old, or none of ours; its one line says which and what to do."""
    quoted = '"{}"'.format(schema.replace('"', '""'))
    await sql.execute(f"INSERT INTO {quoted}.sp00ky_migration (table_name, version) VALUES ('job', 99)")
    assert re.search(f"version 99.*version {VERSION}; upgrade sp00ky", (await sp00ky("run")).complaint())
    assert re.search(f"version 99.*version {VERSION}; upgrade sp00ky", (await sp00ky("migrate")).complaint())
    await sql.execute(
        f"DELETE FROM {quoted}.sp00ky_migration; ALTER TABLE {quoted}.job DROP lease_epoch CASCADE"
    )
    line = (await sp00ky("run")).complaint()
    assert "job.lease_epoch: column lease_epoch is missing; add it again" in line
    await sql.execute(f"DROP TABLE {quoted}.job; CREATE TABLE {quoted}.job (id integer)")
    assert "give the backend another method.table" in (await sp00ky("run")).complaint()
    await sql.execute(f"DROP TABLE {quoted}.job")
    assert "run: sp00ky migrate" in (await sp00ky("run", "--until-empty")).complaint()


async def test_one_shot_commands_give_up_on_a_database_that_is_away(sp00ky: Run, transport: None) -> None:
    away = "postgresql://u:s3cret@127.0.0.1:1/app"
    for command in (
        ["check"],
        ["migrate"],
        ["jobs", "stats"],
        ["call", "api", "/spookify"],
        ["run", "--until-empty"],
    ):
        line = (await sp00ky(*command, store=away)).complaint()
        assert "can't connect to u@127.0.0.1:1: " in line
        assert "s3cret" not in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_service_waits_for_its_database_until_it_is_told_to_stop(
    project: Path, number: signal.Signals, transport: None
) -> None:
    async with running(project, "postgresql://u:s3cret@127.0.0.1:1/app") as (process, until):
        for _ in range(2):
            await until("the database can't be reached, it is tried again: postgresql://u@127.0.0.1:1/app")
        process.send_signal(number)


async def test_a_service_starts_once_its_database_is_there(
    project: Path, server: Any, transport: None, make: Any
) -> None:
    migrating = make(base=server.url)
    await migrating.migrate()
    await server.stop()
    async with running(project, server.url) as (process, until):
        await until("the database can't be reached, it is tried again")
        await server.start()
        await until("delivers for api")
        process.send_signal(signal.SIGTERM)
