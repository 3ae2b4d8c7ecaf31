"""A real server for these tests: a throw-away one, or that of ``SP00KY_TEST_POSTGRES``."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest
import pytest_asyncio
from tests.postgres import start_server
from tests.store_postgres.forging import forge
from tests.store_postgres.shelf import Shelf

from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import Finding, JobTable, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_postgres import PostgresStore, notifications


async def findings(store: PostgresStore) -> list[Finding]:
    """Return what ``check`` finds, but that no runner is alive, for none runs here."""
    found = await store.check()
    for finding in found:
        assert finding.subject
        assert finding.problem
        assert finding.consequence
        assert finding.fix
    return [finding for finding in found if "no runner is alive" not in finding.problem]


def with_query(url: str, **options: str) -> str:
    """The same URL with more in its query."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | options
    return urlunsplit(parts._replace(query=urlencode(query)))


def as_role(url: str, role: str) -> str:
    """The same URL for another role, which needs no password here."""
    parts = urlsplit(url)
    query = {key: value for key, value in parse_qsl(parts.query) if key not in {"user", "password"}}
    netloc = f"{role}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc, query=urlencode(query)))


class Server:
    """A server that can be stopped as a crash would, and started again."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri()
        self._user: dict[str, Any] = {"user": server.system_user} if server.system_user else {}
        self.is_up = True

    def ctl(self, *words: str) -> None:
        binary = str(self._server.bin_path / "pg_ctl")
        command = [binary, "-w", "-D", str(self._server.pgdata), *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._user)

    async def stop(self) -> None:
        self.is_up = False
        await asyncio.to_thread(self.ctl, "-m", "immediate", "stop")

    async def start(self) -> None:
        socket = str(self._server.get_postmaster_info().socket_dir)
        log = str(self._server.log)
        await asyncio.to_thread(self.ctl, "-o", f"-h '' -k {socket}", "-l", log, "start")
        self.is_up = True


@pytest.fixture(scope="module")
def module_server() -> Iterator[Server]:
    """A server of a module's own."""
    with tempfile.TemporaryDirectory(prefix="sp00ky-pg", ignore_cleanup_errors=True) as folder:
        server = Server(start_server(Path(folder)))
        yield server
        server.ctl("-m", "immediate", "stop")  # its own stop() knows the first of its processes only


@pytest_asyncio.fixture
async def server(module_server: Server) -> AsyncIterator[Server]:
    """A server that a test may stop and start; the next test finds it started, however this one ends."""
    yield module_server
    if not module_server.is_up:
        await module_server.start()


@pytest.fixture(scope="session")
def all_kept(dsn: str) -> Iterator[Shelf]:
    shelf = Shelf()
    yield shelf

    async def clear() -> None:
        connection = await asyncpg.connect(dsn)
        await shelf.clear(connection)
        await connection.close()

    asyncio.run(clear())


@pytest.fixture
def kept(all_kept: Shelf) -> Shelf:
    """Schemas that are migrated, for a test that asks for ``store``."""
    return all_kept


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> str:
    """A schema that nobody else has now; its name needs quoting."""
    if "kept" in request.fixturenames:
        name: str = request.getfixturevalue("kept").take(request.getfixturevalue("table"))
        return name
    return f'Test "{new_key()[-12:]}"'


@pytest_asyncio.fixture
async def sql(
    dsn: str, schema: str, request: pytest.FixtureRequest
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection past the store; what the test leaves in its schema is gone at the end."""
    connection = await asyncpg.connect(dsn)
    kept = request.getfixturevalue("kept") if "kept" in request.fixturenames else None
    table = None if kept is None else request.getfixturevalue("table")
    try:
        yield connection
        if kept is None or not await kept.put_back(connection, schema, table):
            quoted = schema.replace('"', '""')
            await connection.execute(f'DROP SCHEMA IF EXISTS "{quoted}" CASCADE')
    finally:
        await connection.close()


PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@pytest.fixture(scope="session")
def pooler(dsn: str) -> Iterator[str]:
    """PgBouncer in transaction mode, without prepared statements; two connections for everybody."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer isn't installed")
    server = urlsplit(dsn)
    host = parse_qs(server.query).get("host", [server.hostname or "127.0.0.1"])[0]
    database, user = server.path[1:] or "postgres", server.username or "postgres"
    with tempfile.TemporaryDirectory(prefix="sp00ky-pooler") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "users").write_text(f'"{user}" "{server.password or ""}"\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host={host} port={server.port or 5432} dbname={database} user={user}\n"
            f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {folder}\nauth_type = any\n"
            f"auth_file = {folder}/users\npool_mode = transaction\nmax_prepared_statements = 0\n"
            f"default_pool_size = 2\nlogfile = {folder}/log\n"
        )
        process = subprocess.Popen(
            [PGBOUNCER, str(folder / "ini")], stderr=subprocess.DEVNULL, user=account_for(host)
        )
        try:
            until = time.monotonic() + 60
            while not (folder / ".s.PGSQL.6432").exists():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.02)
            yield f"postgresql://{user}@/{database}?host={folder}&port=6432"
        finally:
            process.kill()  # a polite signal waits for clients
            process.wait(10)


def account_for(host: str) -> int | None:
    """Whom the pooler runs as: it refuses root, and has to reach the server's socket."""
    if os.geteuid() != 0:
        return None
    return Path(host).stat().st_uid if host.startswith("/") else pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def url(dsn: str, schema: str, sql: Any, request: pytest.FixtureRequest) -> str:
    """A store's URL, for the test's schema; behind a pooler where ``SP00KY_TEST_POOLER`` is set."""
    if os.environ.get("SP00KY_TEST_POOLER"):
        base = request.getfixturevalue("pooler")
        return with_query(base, schema=schema, pgbouncer="1", listen_url=dsn)
    return with_query(dsn, schema=schema)


@pytest.fixture
def table() -> JobTable:
    return JobTable(backend="api", table="job")


@pytest.fixture
def make(url: str, table: JobTable) -> Any:
    """Makes stores, not open yet: ``make(notify="off")`` adds to the URL, ``tables=`` chooses tables."""

    def make(
        *, tables: tuple[JobTable, ...] | None = None, base: str | None = None, **query: str
    ) -> PostgresStore:
        options = StoreOptions(url=with_query(base or url, **query), tables=tables or (table,))
        return PostgresStore(options)

    return make


@pytest_asyncio.fixture
async def store(make: Any, kept: Shelf, sql: Any, schema: str) -> AsyncIterator[PostgresStore]:
    """A store that is open and migrated."""
    store = make()
    await store.open()
    if not kept.is_migrated(schema):
        await store.migrate()
        await kept.migrated(sql, schema)
    yield store
    await store.close()


@pytest.fixture(autouse=True)
def _proof_takes_long() -> Iterator[None]:
    """Wait longer for the proof that LISTEN is heard: on a busy machine it may be late."""
    with pytest.MonkeyPatch.context() as patient:  # the test's own is to be undone as early as ever
        patient.setattr(notifications, "PROOF_SECONDS", 30.0)
        yield


@pytest.fixture
def new_job() -> Any:
    """Makes new jobs of the backend ``api``."""

    def make(**fields: Any) -> NewJob:
        return NewJob(**{"backend": "api", "path": "/spookify", "payload": {"id": 1}, **fields})

    return make


@pytest.fixture(scope="session", name="as_role")
def as_role_fixture() -> Any:
    return as_role


@pytest.fixture(scope="session", name="forge")
def forge_fixture() -> Any:
    """What writes rows past the trigger that lets in new jobs only."""
    return forge


@pytest.fixture
def quoted(schema: str) -> str:
    """The test's schema in SQL."""
    return '"' + schema.replace('"', '""') + '"'


SEVEN_ROWS = """
    INSERT INTO {schema}.job (path, status, errors, created_at) VALUES
    ('/1', 'success', '[]', '2026-01-01Z'),
    ('/2', 'failed', '[{{"name": "timeout", "code": 0}}]', '2026-01-02Z'),
    ('/3', 'failed', '[{{"name": "timeout"}}, {{"name": "http_status", "code": 500}}]', '2026-01-03Z'),
    ('/4', 'pending', '[{{"name": "http_status", "code": 500}}]', '2026-01-04Z'),
    ('/5', 'failed', '[{{"name": "http_status", "code": 500, "reason": "\\u0000\\ud800"}}]', '2026-01-05Z'),
    ('/6', 'failed', '{{"0": {{"name": "timeout"}}}}', '2026-01-06Z'),
    ('/7', 'failed', '[[{{"name": "timeout"}}]]', '2026-01-07Z')
"""


@pytest_asyncio.fixture
async def filled(store: PostgresStore, sql: Any, quoted: str) -> PostgresStore:
    """A store with seven rows, as many clients might have written them."""
    await forge(sql, quoted, SEVEN_ROWS.format(schema=quoted))
    return store


def lose_first_reply(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """Lose the first reply of a call, which nobody can do for real; what each try returned."""
    call, tries = getattr(owner, name), list[Any]()

    async def cut_off(*arguments: Any, **options: Any) -> Any:
        tries.append(await call(*arguments, **options))
        if len(tries) == 1:
            raise ConnectionResetError
        return tries[-1]

    monkeypatch.setattr(owner, name, cut_off)
    return tries
