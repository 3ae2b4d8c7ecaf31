import asyncio
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import attrs
import pytest
from hypothesis import HealthCheck, settings
from tests.ports import free_port
from tests.postgres import server_url

sys.path.append(str(Path(__file__).parents[1]))  # for packages of the repository that aren't installed

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background: programs would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine is no bug: neither a deadline nor slow generation fails a test.
settings.register_profile(
    "sp00ky",
    settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# SP00KY_FUZZ is how many examples to try instead, for a search that takes its time: see `nox -s fuzz`.
settings.register_profile(
    "fuzz", settings.get_profile("sp00ky"), max_examples=int(os.environ.get("SP00KY_FUZZ", "0")) or 1
)
settings.load_profile("fuzz" if os.environ.get("SP00KY_FUZZ") else "sp00ky")

AS_ROOT = {"Accept": "application/json", "Authorization": f"Basic {b64encode(b'root:root').decode()}"}

CHEAP_ROOT = """
    DEFINE USER OVERWRITE root ON ROOT ROLES OWNER
    PASSHASH '$argon2id$v=19$m=8,t=1,p=1$c3AwMGt5LXRlc3Qtc2FsdA$lcnqdafGD4ZISVxK/DY6SVztOM342ShX/R5gO8XBvMA'
"""
"""Its password ``root`` is hashed so that to sign in, as each test does, takes 0.5 ms of CPU, not 25."""

NO_SURREAL = "no `surreal` on PATH: a SurrealDB server can't be started"


@pytest.fixture(scope="session")
def dsn() -> Iterator[str]:
    """A PostgreSQL server's database: a throw-away one's, or that of ``SP00KY_TEST_POSTGRES``."""
    with server_url() as url:
        yield url


MEMORY = Path("/dev/shm")  # noqa: S108  # whose folders in it are made by tempfile and pytest
ENOUGH = 4 * 1024**3
"""Bytes; a run takes less than a tenth of it for each process."""


def in_memory() -> bool:
    """Whether a file system in memory can have the databases: none has to outlive the machine."""
    if not MEMORY.is_dir() or "TMPDIR" in os.environ:
        return False
    found = os.statvfs(MEMORY)
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize > ENOUGH


if in_memory():
    os.environ["TMPDIR"], tempfile.tempdir = str(MEMORY), None  # also for processes that tests start

FULL = (
    "chaos/test_chaos.py",
    "conformance/test_package.py",
    "core/cli/test_interrupted.py",
    "core/cli/test_new_adapter.py::test_what_is_written_passes_its_tests_once_installed",
    "core/cli/test_probes.py",
    "core/cli/test_processes.py",
    "core/cli/test_run.py",
    "core/cli/test_queue_counts.py",
    "core/cli/test_screens.py",
    "core/cli/test_signals.py",
    "openapi/test_published.py",
    "core/encoding/test_json_bytes.py::test_what_is_no_json_is_named[ it is nested too deeply]",
    "generate/test_module.py",
    "core/runner/test_drain.py::test_a_thousand_cancelled_runners_lose_nothing",
    "core/runner/test_fleet_model.py",
    "core/test_sp00ky_pytest.py",
    "dashboard/cli/",
    "dashboard/test_browser.py",
    "dashboard/test_stores.py",
    "documents/",
    "e2e/test_demo.py",
    "e2e/test_moving_celery.py",
    "e2e/test_operating_document.py",
    "e2e/test_plugins_document.py",
    "e2e/test_python_document.py",
    "e2e/test_surreal_dropin.py",
    "e2e/test_testing_document.py",
    "examples/",
    "hostile/test_huge_texts.py",
    "packaging/test_site.py",
    "store_mysql/test_cancellation.py",
    "store_mysql/test_command_line.py",
    "store_mysql/test_model.py",
    "store_mysql/test_store.py",
    "store_postgres/connection/test_statements.py::test_jobs_answered_in_the_silence_are_settled",
    "store_postgres/connection/test_pooler.py",
    "store_postgres/connection/test_restart.py",
    "store_postgres/jobs/test_slow_settles.py",
    "store_postgres/schema/test_check.py::test_a_standby_that_no_commit_waits_for_is_found",
    "store_postgres/sql/test_plans.py",
    "store_postgres/test_cancellation.py",
    "store_postgres/test_command_line.py",
    "store_postgres/test_moving.py",
    "store_sqlite/test_command_line.py",
    "store_sqlite/test_model.py",
    "store_surreal/connection/test_embedded_engine.py",
    "store_surreal/connection/test_handshake.py",
    "store_surreal/jobs/test_claim.py",
    "store_surreal/observe/test_signals.py",
    "store_surreal/schema/test_index_rebuilds.py",
    "store_surreal/test_cancellation.py",
    "store_surreal/test_conformance.py::TestFileEngine::test_ten_thousand_jobs_are_one_fire",
    "store_surreal/test_conformance.py::TestMemoryEngine",
    "store_surreal/test_conformance.py::TestServer",
    "store_surreal/test_model.py",
    "store_surreal/test_permissions.py",
    "store_surreal/test_row_loading.py",
    "transport_amqp/",
    "workflows/test_kills.py",
    "workflows/test_stores.py",
    "upgrade/",
)
"""What takes long, and seldom finds what no other test does: marked ``full``, for ``nox -s full``."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is ``FULL``."""
    for item in items:
        if item.nodeid.removeprefix("tests/").startswith(FULL):
            item.add_marker("full")


gc.disable()  # until the tests are collected: there are millions of objects, all of which stay


def pytest_collection_finish() -> None:
    """What is collected stays until the end: no search for garbage has to look at it."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skips are summed up by what is missing here, one line each, not by each test that misses it."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (str(Path(__file__).parent), None, report.longrepr[2])
    return report


def complaints(stderr: str) -> str:
    """What a command said on stderr; what takes it more than a second, as on a busy machine, is none."""
    return "".join(line for line in stderr.splitlines(keepends=True) if not line.endswith(" ...\n"))


@attrs.define
class SurrealServer:
    """A SurrealDB server: ``surreal`` from PATH as a process of its own, root's password ``root``."""

    path: str = "memory"  # or surrealkv://FOLDER, which outlives the process
    options: tuple[str, ...] = ()
    port: int = attrs.field(factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Without a user, a namespace, a database."""
        return f"ws://127.0.0.1:{self.port}"

    def url(self, name: str = "main") -> str:
        """A store's URL, for a namespace and a database of that name."""
        return f"ws://root:root@127.0.0.1:{self.port}/{name}/{name}"

    def start(self) -> None:
        """Start it, on its port and on what is at its path; returns when it answers."""
        program = shutil.which("surreal")
        assert program is not None
        where = ["--bind", f"127.0.0.1:{self.port}", "--log", "error", "--no-banner"]
        command = [program, "start", "--user", "root", "--pass", "root", *where, *self.options, self.path]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 180
        while not self._answers():
            assert self.process.poll() is None, f"surreal ended with {self.process.returncode}"
            assert time.monotonic() < deadline, "surreal doesn't answer"
            time.sleep(0.02)
        self._request("sql", CHEAP_ROOT.encode())

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            self._request("health")
        except OSError:
            return False
        return True

    def _request(self, path: str, body: bytes | None = None) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", body)
        if body is not None:
            request.headers = AS_ROOT
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            assert reply.status == 200


NewServer = Callable[..., SurrealServer]


@pytest.fixture
def new_surreal_server() -> Iterator[NewServer]:
    """Starts servers of the test's own, to be killed and frozen; they end with the test."""
    if shutil.which("surreal") is None:
        pytest.skip(NO_SURREAL)
    servers: list[SurrealServer] = []

    def start(path: str | Path = "memory", options: tuple[str, ...] = ()) -> SurrealServer:
        server = SurrealServer(str(path), options)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def surreal_address() -> Iterator[str]:
    """``user:password@host:port`` of the server that tests share; ``SP00KY_TEST_SURREAL`` names another."""
    given = os.environ.get("SP00KY_TEST_SURREAL")
    if given:
        yield given.partition("://")[2].rstrip("/")
        return
    if shutil.which("surreal") is None:
        pytest.skip(NO_SURREAL)
    server = SurrealServer()
    server.start()
    yield f"root:root@127.0.0.1:{server.port}"
    server.kill()


@pytest.fixture
async def surreal_url(surreal_address: str) -> AsyncIterator[str]:
    """A store's URL: a namespace and a database of the test's own on the shared server."""
    name = f"test_{uuid4().hex[:12]}"
    await as_root(surreal_address, f"DEFINE NAMESPACE {name}; USE NS {name}; DEFINE DATABASE {name}")
    yield f"ws://{surreal_address}/{name}/{name}"
    await as_root(surreal_address, f"REMOVE NAMESPACE IF EXISTS {name}")


@pytest.fixture
async def missing_surreal_url(surreal_address: str) -> AsyncIterator[str]:
    """A store's URL whose namespace isn't there; it is removed if the test makes it."""
    name = f"test_{uuid4().hex[:12]}"
    yield f"ws://{surreal_address}/{name}/{name}"
    await as_root(surreal_address, f"REMOVE NAMESPACE IF EXISTS {name}")


async def as_root(address: str, statement: str) -> Any:
    """What the last statement returns on the server that tests share."""
    surrealdb = pytest.importorskip("surrealdb")
    user, _, host = address.rpartition("@")
    username, _, password = user.partition(":")
    async with asyncio.timeout(60), surrealdb.AsyncSurreal(f"ws://{host}") as root:
        await root.signin({"username": unquote(username), "password": unquote(password)})
        return await rows(root, statement)


@attrs.define
class SpookyApp:
    """A Sp00ky application's database: the documentation's schema, to the letter, and who signs up there."""

    url: str  # root's, as a store takes it
    root: Any
    _connections: list[Any] = attrs.field(factory=list)

    @property
    def name(self) -> str:
        """Of the namespace and the database."""
        return self.url.rpartition("/")[2]

    @property
    def address(self) -> str:
        """For the SDK."""
        return "ws://" + self.url.rpartition("@")[2].partition("/")[0]

    @property
    def username(self) -> str:
        """Root's."""
        return unquote(self.url.partition("://")[2].partition(":")[0])

    @property
    def password(self) -> str:
        """Root's."""
        return unquote(self.url.partition("://")[2].partition("@")[0].partition(":")[2])

    async def sign_up(self, name: str) -> Any:
        """A connection of a record user's, over the wire, with a thread of that name."""
        surrealdb = pytest.importorskip("surrealdb")
        connection = surrealdb.AsyncSurreal(self.address)
        await connection.connect()
        self._connections.append(connection)
        place = {"namespace": self.name, "database": self.name}
        variables = {"name": name, "password": "secret"}
        await connection.signup({**place, "access": "account", "variables": variables})
        await connection.use(self.name, self.name)
        (thread,) = await rows(connection, f"CREATE thread:{name} SET title = 'a thread'")
        assert str(thread["id"]) == f"thread:{name}"
        return connection

    async def close(self) -> None:
        for connection in [*self._connections, self.root]:
            await connection.close()


async def rows(connection: Any, statement: str, **bindings: Any) -> Any:
    """What the last statement returns; all of them must go well."""
    reply = await connection.query_raw(statement, bindings)
    assert "result" in reply, reply
    assert {result["status"] for result in reply["result"]} == {"OK"}, reply
    return reply["result"][-1]["result"]


@pytest.fixture
async def spooky_app(surreal_url: str) -> AsyncIterator[SpookyApp]:
    """The documentation's table on a server, not migrated, with ``user``, ``thread`` and ``account``."""
    surrealdb = pytest.importorskip("surrealdb")
    app = SpookyApp(surreal_url, None)
    app.root = surrealdb.AsyncSurreal(app.address)
    await app.root.connect()
    await app.root.signin({"username": app.username, "password": app.password})
    await app.root.use(app.name, app.name)
    schema = Path(__file__).parent / "store_surreal"
    for file in ("spec_app", "spec_job"):
        await rows(app.root, (schema / f"{file}.surql").read_text(encoding="utf-8"))
    yield app
    await app.close()
