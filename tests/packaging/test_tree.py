"""The tests are a tree that mirrors the sources: the test of ``a/b.py`` is ``<tests>/a/test_b.py``.

A module without a test of its own is listed as ``untested`` with a reason, a test that is of no one module as
``crossing``. A package's ``__init__.py`` counts only if it defines something.
"""

from __future__ import annotations

import ast
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[2]


@attrs.frozen(kw_only=True)
class Distribution:
    """One distribution and its tests.

    Attributes:
        source: The package's folder.
        tests: The folder of its tests.
        untested: Modules without a test of their own, each with the reason.
        crossing: Tests that are of no one module, each with what they are about.
        rest: Why every module that isn't listed may be without one; empty: it may not.
        most_untested: The share of modules that may be without one.
    """

    source: str
    tests: str
    untested: dict[str, str] = attrs.field(factory=dict)
    crossing: dict[str, str] = attrs.field(factory=dict)
    rest: str = ""
    most_untested: float = 0.1

    def modules(self) -> set[str]:
        folder = ROOT / self.source
        return {str(file.relative_to(folder)) for file in folder.rglob("*.py") if counts(file)}

    def test_files(self) -> set[str]:
        folder = ROOT / self.tests
        return {str(file.relative_to(folder)) for file in folder.rglob("test_*.py")}


def counts(file: Path) -> bool:
    """Whether a file is a module with something to test; Django's migrations only say what is made."""
    if file.parent.name == "migrations":
        return False
    if file.name != "__init__.py":
        return file.name != "__main__.py"
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in body)


def mirror(module: str) -> str:
    """The file of a module's test."""
    path = Path(module)
    return str(path.parent / f"test_{path.name}")


DATA = "attributes alone"
LAZY = "imports the store once it is asked for: test_plugin.py"
PORT = "a Protocol: the conformance suite tests what keeps it"

DISTRIBUTIONS = [
    Distribution(
        source="sp00ky_core/src/sp00ky_core",
        tests="tests/core",
        untested={
            "cli/demo/runner.py": "tests/e2e/test_demo.py kills one",
            "cli/jobs/group.py": "a click group without anything in it",
            "config/keys.py": "the table of keys, which every test of a configuration reads",
            "config/settings.py": DATA,
            "contract/headers.py": "names alone; test_reading.py and the transport's tests use them",
            "contract/operation.py": DATA,
            "events.py": DATA,
            "generate/payloads.py": "what modules are made of, whose tests make it",
            "hookspecs.py": "signatures; tests/packaging/test_hook_documentation.py reads them",
            "ports/findings.py": DATA,
            "ports/operators.py": DATA,
            "ports/rollups.py": PORT,
            "ports/schedules.py": PORT,
            "ports/statement.py": PORT,
            "ports/store.py": PORT,
            "ports/transport.py": PORT,
            "runner/tasks.py": "test_drain.py stops them",
            "scheduler/services.py": "joins the scheduler and the maintenance of runs, whose tests make it",
            "stores/transactional/schedules/definition.py": "the tables alone",
            "stores/transactional/connection/primitives.py": "abstract: test_store.py has one",
            "stores/transactional/connection/session.py": "abstract: test_sql.py has one",
        },
        crossing={
            "config/test_dumping.py": "a configuration that is written and loaded again is the same",
            "config/test_transport.py": "the keys of a backend's transport, from the file to the request",
            "cli/test_configuration.py": "configurations that no command can use",
            "cli/test_interrupted.py": "an interrupt, whatever the command does",
            "cli/test_sp00ky_files.py": "the files of Sp00ky projects, through every command",
            "contract/test_published.py": "published documents",
            "planner/test_beside_runner.py": "the forecast beside a runner in virtual time",
            "runner/test_limits.py": "limits, as a runner keeps to them",
            "runner/test_outage.py": "several runners in an outage, in virtual time",
            "runner/test_clocks.py": "clocks that jump, and runners that freeze",
            "runner/test_drain.py": "how a runner ends",
            "runner/test_fleet_model.py": "a model of several runners, whose every step is chosen",
            "runner/test_fleet_stories.py": "stories that the model of several runners must notice",
            "runner/test_pauses.py": "pauses, as a runner keeps to them",
            "runner/test_slow_store.py": "a store that takes seconds for each call",
            "runner/test_throttled.py": "a backend that throttles",
            "stores/memory/test_control.py": "pauses and limits, as time passes",
            "stores/memory/test_model.py": "the model of a store notices what is broken",
            "stores/memory/test_ordering.py": "the order of a key, as time passes",
            "generate/test_soundness.py": "no type is narrower than its schema",
            "test_public_api.py": "the names that the package exports",
            "test_sp00ky_health.py": "the probe, a package of its own",
            "test_sp00ky_pytest.py": "the pytest plugin, a package of its own",
        },
    ),
    Distribution(
        source="sp00ky_store_postgres/src/sp00ky_store_postgres",
        tests="tests/store_postgres",
        untested={
            "__init__.py": LAZY,
            "connection/workload.py": DATA,
            "operate/named_jobs.py": "operate/test_clear.py and operate/test_reschedule.py write by it",
            "part.py": "attributes alone, which the store sets",
            "store.py": "test_conformance.py: it only says which part answers which call",
        },
        crossing={
            "connection/test_pooler.py": "PgBouncer between the store and the server",
            "connection/test_restart.py": "a server that restarts",
            "jobs/test_claim_instants.py": "instants that only this database has",
            "jobs/test_settle_refusals.py": "rows that the database refuses to have settled",
            "jobs/test_settle_triggers.py": "triggers of an application",
            "schema/test_rules.py": "what the CHECKs and triggers of a table refuse",
            "sql/test_plans.py": "the plans of all statements",
            "test_bulk.py": "operations on many jobs",
            "test_cancellation.py": "callers that are cancelled",
            "test_command_line.py": "the command line on this store",
            "test_conformance.py": "the conformance suite",
            "test_documents.py": "examples of the documents",
            "test_moving.py": "the scripts that move other queues' rows over",
            "test_epochs.py": "what fences off a claim that was lost",
            "test_hostile.py": "rows that a client could write",
            "test_model.py": "the model of a store",
            "test_testing.py": "tests of applications, in a transaction that is rolled back",
        },
    ),
    Distribution(
        source="sp00ky_store_surreal/src/sp00ky_store_surreal",
        tests="tests/store_surreal",
        untested={
            "__init__.py": LAZY,
            "connection/live.py": "observe/test_notifications.py cuts, silences and ends its subscriptions",
            "connection/workload.py": "one connection for each kind of call",
            "schedules/find.py": "the conformance suite reads all that it writes",
            "store.py": "test_conformance.py: it only says which part answers which call",
        },
        crossing={
            "connection/test_faults.py": "servers that are killed, cut off and frozen",
            "test_cancellation.py": "callers that are cancelled",
            "test_conformance.py": "the conformance suite",
            "test_dropin_tables.py": "tables of Sp00ky's documentation",
            "test_model.py": "the model of a store",
            "test_permissions.py": "what record users may do",
            "test_other_keys.py": "rows whose key is an array or an object",
            "test_redeploy.py": "a schema that is deployed again",
        },
    ),
    Distribution(
        source="contrib/sp00ky_store_sqlite/src/sp00ky_store_sqlite",
        tests="tests/store_sqlite",
        crossing={
            "test_aiosqlite_store.py": "a store of an asynchronous driver, as docs/adapters.md has it",
            "test_cancellation.py": "runners that are cancelled",
            "test_claims.py": "claims that wait for no writer",
            "test_command_line.py": "the command line on this store",
            "test_filters.py": "conditions, which the base class makes SQL of",
            "test_model.py": "the model of a store",
            "test_mutations.py": "the conformance suite notices what is broken",
            "test_schema.py": "the tables in a file",
            "test_transactions.py": "transactions of a caller's",
        },
    ),
    Distribution(
        source="contrib/sp00ky_opentelemetry/src/sp00ky_opentelemetry",
        tests="tests/opentelemetry",
        untested={"attributes.py": "names alone; test_tracing.py and test_metrics.py compare them"},
        most_untested=0.25,
    ),
    Distribution(
        source="contrib/sp00ky_receiver/src/sp00ky_receiver",
        tests="tests/receiver",
        untested={
            "delivery.py": DATA,
            "errors.py": "each is raised, and answered, in a test of what raises it",
        },
        most_untested=0.2,  # of eleven
    ),
    Distribution(
        source="contrib/sp00ky_django/src/sp00ky_django",
        tests="tests/django",
        untested={
            "apps.py": "test_system_checks.py and test_operations.py run what it registers",
        },
        most_untested=0.15,
    ),
    Distribution(
        source="contrib/sp00ky_dashboard/src/sp00ky_dashboard",
        tests="tests/dashboard",
        untested={
            "__init__.py": "imports the application once it is asked for: cli/test_command.py",
            "context.py": DATA,
            "cookies.py": "access/test_authentication.py reads what is set",
            "flash.py": "operate/test_act.py reads what is said, once",
            "operate/fleet_actions.py": "operate/test_act.py, pages/test_runners.py, pages/test_schedules.py",
            "operate/job_actions.py": "operate/test_act.py does each",
            "pages/events.py": "observe/test_live.py listens to it",
            "pages/filters.py": "pages/test_jobs.py filters by each",
            "error_pages.py": "test_app.py, and each page's tests of what is wrong",
        },
        crossing={
            "test_browser.py": "every page in a browser: what it looks like, how it is used, who can use it",
            "test_drain.py": "numbers on the pages while a queue drains",
            "test_mounted.py": "applications that it is mounted in",
            "test_stores.py": "every page on other stores",
            "test_vendor.py": "files of others",
        },
        most_untested=0.35,  # pages are tested as operators use them: several modules at once
    ),
    Distribution(
        source="sp00ky_transport_http/src/sp00ky_transport_http",
        tests="tests/transport_http",
        untested={
            "__init__.py": "imports the transport once it is asked for",
            "engines/aiohttp.py": "test_transport_conformance.py: it is the engine of the suite",
            "plugin.py": "every test of a runner loads it",
            "response.py": DATA,
            "retry_after.py": "test_classify.py",
            "transport.py": "test_transport_conformance.py",
        },
        crossing={
            "engines/test_tls_and_proxy.py": "TLS, certificates and proxies, over real connections",
            "test_connections.py": "what only real connections show",
            "test_described.py": "requests as their documents describe them, judged by openapi-core",
            "test_floods.py": "backends that send without end",
            "test_message.py": "what is on the wire",
            "test_parameters.py": "payloads in queries and headers",
            "test_transport_conformance.py": "the conformance suite",
        },
        most_untested=0.7,  # most of it is tested by the suite, as a whole
    ),
    Distribution(
        source="sp00ky_conformance/src/sp00ky_conformance",
        tests="tests/conformance",
        rest="a suite, or what it is made of: every store's and transport's tests run it",
        crossing={
            "test_memory_store.py": "the suite on the reference store",
            "test_package.py": "what an adapter's author does with it",
            "test_promises.py": "what a failing test says",
            "test_suite.py": "the suite as a whole",
            "test_transport_suite.py": "the suite of transports on one that isn't HTTP",
        },
        most_untested=1.0,
    ),
]


@pytest.fixture(params=DISTRIBUTIONS, ids=lambda each: each.tests)
def distribution(request: pytest.FixtureRequest) -> Distribution:
    return request.param


def test_each_module_has_its_test_or_a_reason(distribution: Distribution) -> None:
    modules, tests = distribution.modules(), distribution.test_files()
    assert modules
    bare = {each for each in modules if mirror(each) not in tests}
    listed = set(distribution.untested)
    assert listed - modules == set(), "these aren't there any more"
    assert listed - bare == set(), "these have a test"
    assert all(distribution.untested.values())
    assert bare - listed == set() or distribution.rest


def test_few_modules_are_without(distribution: Distribution) -> None:
    modules = distribution.modules()
    bare = [each for each in modules if mirror(each) not in distribution.test_files()]
    assert len(bare) <= distribution.most_untested * len(modules)


def test_each_test_is_of_a_module_or_says_of_what(distribution: Distribution) -> None:
    mirrored = {mirror(each) for each in distribution.modules()}
    others = distribution.test_files() - mirrored
    listed = set(distribution.crossing)
    assert listed - others == set(), "these aren't there, or are of a module"
    assert all(distribution.crossing.values())
    assert others - listed == set()


def test_every_folder_of_tests_is_a_distribution_s_or_crosses_them() -> None:
    """So that no test is outside of the tree by its folder's name."""
    folders = {each.name for each in (ROOT / "tests").iterdir() if any(each.rglob("test_*.py"))}
    of_one = {Path(each.tests).name for each in DISTRIBUTIONS}
    assert folders - of_one == ACROSS


ACROSS = {"benchmarks", "chaos", "documents", "e2e", "examples", "hostile", "packaging", "types", "upgrade"}
"""Folders whose tests are of several distributions together, or of none."""
