"""Everything that is checked, each from a clean machine: ``nox -l`` lists the sessions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")

CORE = "sp00ky_core"
OPENAPI = "sp00ky_openapi"
KIT = "sp00ky_store_kit"
CONFORMANCE = "sp00ky_conformance"
DASHBOARD = "contrib/sp00ky_dashboard"
SQLITE = "contrib/sp00ky_store_sqlite"
MYSQL = "contrib/sp00ky_store_mysql"
OPENTELEMETRY = "contrib/sp00ky_opentelemetry"
RECEIVER = "contrib/sp00ky_receiver"
DJANGO = "contrib/sp00ky_django"
AMQP = "contrib/sp00ky_transport_amqp"
HTTP = "sp00ky_transport_http"
ASGI = "contrib/sp00ky_transport_asgi"
TASKS = "contrib/sp00ky_tasks"
WEBHOOKS = "contrib/sp00ky_webhooks"
WORKFLOWS = "contrib/sp00ky_workflows"
GENERATE = "contrib/sp00ky_generate"
SCHEDULES = "contrib/sp00ky_schedules"
ADAPTERS = ("sp00ky_store_postgres", "sp00ky_store_surreal", HTTP, SQLITE, MYSQL)
DISTRIBUTIONS = (
    *(OPENAPI, CORE, KIT, CONFORMANCE, *ADAPTERS, DASHBOARD, OPENTELEMETRY),
    *(RECEIVER, DJANGO, AMQP, ASGI, TASKS, WEBHOOKS, WORKFLOWS, GENERATE, SCHEDULES),
)
SOURCES = [f"{distribution}/src" for distribution in DISTRIBUTIONS]

TESTS_OF = {
    CORE: ("tests/core", "--ignore=tests/core/cli"),
    OPENAPI: ("tests/openapi",),
    KIT: ("tests/store_kit",),
    CONFORMANCE: ("tests/conformance",),
    "sp00ky_store_postgres": ("tests/store_postgres",),
    "sp00ky_store_surreal": ("tests/store_surreal",),
    HTTP: ("tests/transport_http",),
    SQLITE: ("tests/store_sqlite",),
    MYSQL: ("tests/store_mysql",),
    DASHBOARD: ("tests/dashboard", "--ignore=tests/dashboard/test_stores.py"),
    OPENTELEMETRY: ("tests/opentelemetry",),
    RECEIVER: ("tests/receiver",),
    DJANGO: ("tests/django",),
    AMQP: ("tests/transport_amqp",),
    ASGI: ("tests/transport_asgi",),
    TASKS: ("tests/tasks",),
    WORKFLOWS: ("tests/workflows",),
    GENERATE: ("tests/generate",),
    SCHEDULES: ("tests/schedules", "--ignore=tests/schedules/test_commands.py"),
}
"""Folders whose tests need no other distribution than their own, the core and the conformance kit.

Those of the command line deliver over HTTP and keep jobs in SurrealDB's embedded engine.
"""

BESIDE = {
    DJANGO: ("sp00ky_store_postgres", SQLITE),
    ASGI: (HTTP,),
    TASKS: (HTTP, ASGI, SQLITE),
    SCHEDULES: (DASHBOARD,),
    WORKFLOWS: (*ADAPTERS, ASGI, TASKS, DASHBOARD),
}
"""Those that need others: one works on databases that Django has, one makes its requests as over HTTP, one
runs in its loop."""

POSTGRES_TESTS = ("tests/store_postgres", "tests/django", "tests/examples")

POOLER_TESTS = tuple(
    f"tests/store_postgres/{name}"
    for name in (
        *("connection", "fleet", "jobs", "observe", "schema"),
        *("test_conformance.py", "test_model.py"),
    )
)

MOVING_TESTS = ("tests/store_postgres/test_moving.py", "tests/e2e/test_moving_celery.py")

DOCUMENTS_TESTS = (
    "tests/documents",
    "tests/packaging/test_site.py",
    "tests/packaging/test_documents.py",
    "tests/packaging/test_configuration_document.py",
    "tests/packaging/test_row_contract.py",
    "tests/e2e/test_readme.py",
    "tests/e2e/test_python_document.py",
    "tests/e2e/test_plugins_document.py",
    "tests/e2e/test_testing_document.py",
    "tests/e2e/test_operating_document.py",
    "tests/store_postgres/test_documents.py",
    *MOVING_TESTS,
)

NOT_LOWEST = ("tests/store_postgres/test_cancellation.py",)
"""asyncpg before 0.32 logs a future that nobody awaits when a connection is given up while it is made."""

EVERYDAY = ("-m", "not slow")
"""What the sessions ``tests`` and ``full`` run together."""

WORKERS = (f"--numprocesses={(os.cpu_count() or 1) + 1}", "--dist=worksteal", "--maxprocesses=8")
"""One process more than there are cores, for tests mostly wait; each has database servers of its own."""

SURREAL_SDK3 = "surrealdb[embedded]>=3.0.0b10,<4"
SURREAL_TESTS = ("tests/store_surreal", "tests/e2e/test_surreal_dropin.py")

FUZZ_TESTS = (
    "tests/core/runner/test_fleet_model.py",
    "tests/store_postgres/test_model.py",
    "tests/store_surreal/test_model.py",
    "tests/hostile",
)
"""What finds more the longer it looks."""


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, the rooms of the core, changelog fragments and workflows."""
    session.install(*_group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    rooms = os.pathsep.join(("sp00ky_core/src", "sp00ky_openapi/src", "sp00ky_store_kit/src"))
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": rooms})  # a cache forgets where they lay
    draft = ("--draft", "--config", "pyproject.toml", "--name", "draft", "--version", "next")
    for distribution in DISTRIBUTIONS:
        session.run("towncrier", "build", *draft, "--dir", distribution, silent=True)
    _check_workflows(session)


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy --strict on the sources; what mypy and pyright say to who has nothing but the wheels."""
    session.install(*_group("types"))
    _install_wheels(session, DISTRIBUTIONS)
    session.run("mypy", *SOURCES, "benchmarks")
    with session.chdir(session.create_tmp()):  # where no folder of the repository can be imported
        consumer = ROOT / "tests" / "packaging" / "consumer.py"
        session.run("mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), str(consumer))
    session.run("pytest", "tests/types", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The suite against the installed wheels; pytest gets what stands after ``--``, or ``WORKERS``.

    What is marked full is left to the session ``full``, what is marked slow to ``slow``.
    """
    session.install(*_group("test"))
    wheels = _install_wheels(session, DISTRIBUTIONS)
    session.run("pytest", *(session.posargs or WORKERS), env={"SP00KY_WHEELS": str(wheels)})


@nox.session
def full(session: nox.Session) -> None:
    """Run what is marked full: other engines, examples, documents, a browser."""
    session.install(*_group("test"), *_group("moving"), *_browser_group())
    wheels = _install_wheels(session, DISTRIBUTIONS)
    arguments = session.posargs or ("-m", "full and not slow", *WORKERS)
    session.run("pytest", *arguments, env={"SP00KY_WHEELS": str(wheels)})


@nox.session
@nox.parametrize("distribution", DISTRIBUTIONS, ids=DISTRIBUTIONS)
def tests_of(session: nox.Session, distribution: str) -> None:
    """One distribution's tests; only its wheel, the core's, what that needs, and the conformance kit's."""
    session.install(*_group("test"))
    needed = (OPENAPI, CORE, KIT, CONFORMANCE, *BESIDE.get(distribution, ()), distribution)
    needed = (OPENAPI,) if distribution == OPENAPI else needed
    wheels = _install_wheels(session, dict.fromkeys(needed))
    arguments = session.posargs or (*EVERYDAY, *TESTS_OF[distribution])
    session.run("pytest", *arguments, env={"SP00KY_WHEELS": str(wheels)})


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest versions that the distributions say they can do with."""
    session.install("uv")  # pip can't resolve to the lowest
    folders = [f"./{distribution}" for distribution in DISTRIBUTIONS]  # what they need counts as direct
    session.run("uv", "pip", "install", "--quiet", "--reinstall", "--resolution", "lowest-direct", *folders)
    session.install(*_group("test"))
    arguments = session.posargs or (*EVERYDAY, *WORKERS)
    session.run("pytest", *(f"--deselect={test}" for test in NOT_LOWEST), *arguments)


@nox.session
def slow(session: nox.Session) -> None:
    """Run what is marked slow: chaos, faults at full size, the benchmarks' smoke test."""
    session.install(*_group("test"), *_browser_group())
    wheels = _install_wheels(session, DISTRIBUTIONS)
    session.run("pytest", "-m", "slow", *(session.posargs or WORKERS), env={"SP00KY_WHEELS": str(wheels)})


@nox.session
def mutants(session: nox.Session) -> None:
    """Break the kit, and stores on it, in eighty ways, of which the conformance suite notices each."""
    session.install(*_group("test"))
    _install_wheels(session, DISTRIBUTIONS)
    session.run("pytest", "-m", "slow", "tests/mutants", *(session.posargs or WORKERS))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Search with Hypothesis, for minutes; the first argument after ``--``: how many examples."""
    session.install(*_group("test"))
    _install_wheels(session, DISTRIBUTIONS)
    count, *arguments = session.posargs or ["2000"]
    session.run("pytest", "-m", "", "--timeout=7200", *FUZZ_TESTS, *arguments, env={"SP00KY_FUZZ": count})


@nox.session
def postgres(session: nox.Session) -> None:
    """Run the PostgreSQL tests and examples on a server of yours: ``SP00KY_TEST_POSTGRES`` is its URL."""
    if not os.environ.get("SP00KY_TEST_POSTGRES"):
        session.error("set SP00KY_TEST_POSTGRES, as in postgresql://postgres@127.0.0.1:5432/postgres")
    session.install(*_group("test"))
    _install_wheels(session, DISTRIBUTIONS)
    session.run("pytest", *(session.posargs or (*EVERYDAY, *POSTGRES_TESTS)))


@nox.session
def mysql(session: nox.Session) -> None:
    """Run the tests of MySQL on a server of yours: ``SP00KY_TEST_MYSQL`` is its URL, for its root."""
    if not os.environ.get("SP00KY_TEST_MYSQL"):
        session.error("set SP00KY_TEST_MYSQL, as in mysql://root:secret@127.0.0.1:3306/none")
    session.install(*_group("test"))
    _install_wheels(session, DISTRIBUTIONS)
    session.run("pytest", *(session.posargs or (*EVERYDAY, *TESTS_OF[MYSQL])))


@nox.session
def pooler(session: nox.Session) -> None:
    """Test the PostgreSQL store behind PgBouncer in transaction mode (Debian's package ``pgbouncer``)."""
    if not (shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")):
        session.error("install PgBouncer: apt-get install pgbouncer")
    session.install(*_group("test"))
    _install_wheels(session, (OPENAPI, CORE, KIT, CONFORMANCE, "sp00ky_store_postgres"))
    session.run("pytest", *(session.posargs or (*EVERYDAY, *POOLER_TESTS)), env={"SP00KY_TEST_POOLER": "1"})


@nox.session
def surreal3(session: nox.Session) -> None:
    """Run the SurrealDB tests with the SDK's next major version: its embedded engine, and a server."""
    session.install(*_group("test"))
    _install_wheels(session, DISTRIBUTIONS)
    session.install(SURREAL_SDK3)
    session.run("pytest", *(session.posargs or ("-m", "", *SURREAL_TESTS)))


@nox.session
def moving(session: nox.Session) -> None:
    """Try the scripts of ``docs/moving`` on the others' own installations: needs ``npm``."""
    session.install(*_group("test"), *_group("moving"))
    _install_wheels(session, (OPENAPI, CORE, KIT, CONFORMANCE, "sp00ky_store_postgres"))
    folder = session.create_tmp()
    session.run("npm", "install", "--silent", "--prefix", folder, "graphile-worker", external=True)
    arguments = session.posargs or (*EVERYDAY, *MOVING_TESTS)
    session.run("pytest", *arguments, env={"SP00KY_TEST_GRAPHILE": folder})


@nox.session
def release(session: nox.Session) -> None:
    """Make a release ready in ``dist/`` and ``dist/records/``, and install it on each Python here."""
    session.install(*_group("release"))
    session.run("python", "-m", "tools.release", *session.posargs)


@nox.session
def changelogs(session: nox.Session) -> None:
    """Move the fragments into the changelogs, under the version that the distributions have."""
    session.install(*_group("release"))
    session.run("python", "-m", "tools.release", "--render")


@nox.session
def demo(session: nox.Session) -> None:
    """``sp00ky demo`` from the wheels."""
    _install_wheels(session, DISTRIBUTIONS)
    session.run("sp00ky", "demo", *session.posargs)


@nox.session(python=next((one for one in ("3.15", "3.14", "3.13") if shutil.which(f"python{one}")), "3.13"))
def bench(session: nox.Session) -> None:
    """Measure beside all peers (90 minutes, can be resumed); after ``--``: ``quick``, names, ``--help``."""
    session.install(*_group("bench"))
    # Not the observers: OpenTelemetry's plugin makes a span of each enqueue and attempt, which no peer does.
    _install_wheels(session, (OPENAPI, CORE, KIT, *ADAPTERS, ASGI, TASKS))
    session.run("pip", "uninstall", "--yes", "--quiet", "sp00ky-opentelemetry")  # of an earlier environment
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Minutes of chaos; arguments after ``--``: ``--session outages --seed 7 --minutes 5 --write``."""
    session.install(*_group("test"))
    _install_wheels(session, DISTRIBUTIONS)
    session.run("python", "-m", "chaos", *session.posargs)


@nox.session
def screenshots(session: nox.Session) -> None:
    """Make the documents' pictures: dashboard, terminal, diagrams; needs ``chromium`` and ``npm``."""
    session.install(*_group("test"), *_group("browser"), *_group("pictures"))
    _install_wheels(session, DISTRIBUTIONS)
    session.run("python", "-m", "tools.pictures", *session.posargs)


@nox.session
def vendor(session: nox.Session) -> None:
    """Fetch anew, by npm, what the dashboard brings of others; ``static/vendor.json`` says which versions."""
    session.run("python", "-m", "tools.vendor", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site in ``build/site/html``, strictly and without a network; run the examples."""
    session.install(*_group("test"), *_group("moving"), *_group("browser"), *_group("docs"))
    _install_wheels(session, DISTRIBUTIONS)
    session.run("python", "-m", "tools.site")
    session.run("pytest", *EVERYDAY, *DOCUMENTS_TESTS, *(session.posargs or WORKERS))


def _check_workflows(session: nox.Session) -> None:
    """Check what GitHub reads: expressions and shell lines, shapes, what a workflow may do."""
    github = ROOT / ".github"
    shapes = {"workflows": "workflows/*", "actions": "actions/*/*", "issue-forms": "ISSUE_TEMPLATE/[bf]*"}
    for schema, pattern in shapes.items():
        files = sorted(str(file) for file in github.glob(f"{pattern}.yml"))
        session.run("check-jsonschema", "--builtin-schema", f"vendor.github-{schema}", *files)
    session.run("check-jsonschema", "--builtin-schema", "vendor.dependabot", str(github / "dependabot.yml"))
    session.run("actionlint", *sorted(str(file) for file in github.glob("workflows/*.yml")))
    session.run("zizmor", "--offline", "--quiet", str(github))


def _group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(GROUPS, name))


def _browser_group() -> list[str]:
    """Playwright (50 MB), where there is what it drives; elsewhere its tests say what is missing."""
    return _group("browser") if all(map(shutil.which, ("chromium", "npm", "surreal"))) else []


def _install_wheels(session: nox.Session, distributions: Iterable[str]) -> Path:
    """Build wheels and install them, also over those of an earlier run in the same venv; their folder."""
    folder = Path(session.virtualenv.location) / "wheels"
    there = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    session.install("hatchling>=1.26")  # once, not in an environment of each distribution's own
    build = ("pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
    session.run(*build, f"--wheel-dir={folder}", *(f"./{distribution}" for distribution in distributions))
    wheels = [str(wheel) for wheel in sorted(folder.glob("*.whl"))]
    session.install(*wheels)  # with what they depend on
    if there:
        session.install("--force-reinstall", "--no-deps", *wheels)  # the version is that of the run before
    return folder
