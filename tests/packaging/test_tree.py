"""The tests are a tree that mirrors the sources: the test of ``a/b.py`` is ``<tests>/a/test_b.py``.

What a module does may be tested by way of what uses it, a store's parts above all by the conformance suite:
then it has no test of its own. A test that is of no one module is listed here.
"""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CROSSING = {
    ("core", "sp00ky_core/src/sp00ky_core"): """
        cli/test_configuration.py cli/test_init.py cli/test_interrupted.py
        cli/test_export_import.py cli/test_new_adapter.py cli/test_plugins.py
        cli/test_probes.py cli/test_redaction.py cli/test_sp00ky_files.py
        config/test_transport.py config/test_transport_section.py contract/test_published.py
        test_background.py
        runner/test_breakers.py runner/test_clocks.py runner/test_drain.py runner/test_fleet_model.py
        runner/test_limits.py runner/test_outage.py runner/test_pauses.py runner/test_slow_store.py
        runner/test_throttled.py stores/memory/test_model.py stores/memory/test_store.py
        stores/transactional/connection/test_lane.py
        test_public_api.py test_sp00ky_health.py
        test_sp00ky_pytest.py
    """,
    ("store_postgres", "sp00ky_store_postgres/src/sp00ky_store_postgres"): """
        connection/test_asynchronous_callers.py connection/test_blocking_callers.py
        connection/test_pooler.py connection/test_restart.py jobs/test_claim_breakers.py
        jobs/test_claim_cursor.py jobs/test_claim_flush.py jobs/test_claim_instants.py
        jobs/test_claim_limits.py jobs/test_claim_races.py jobs/test_claim_refusals.py
        jobs/test_refused_deletions.py
        jobs/test_refused_releases.py jobs/test_reschedule.py jobs/test_restored_rows.py
        jobs/test_settle_refusals.py jobs/test_settle_triggers.py jobs/test_slow_settles.py
        jobs/test_statement.py schema/test_compatibility.py schema/test_migration_files.py
        schema/test_plan.py schema/test_privileges.py schema/test_rules.py schema/test_waiting_jobs.py
        sql/test_plans.py test_announcements.py test_audit.py test_cancellation.py test_command_line.py
        test_conformance.py test_documents.py test_epochs.py test_error_groups.py test_hostile.py
        test_model.py test_moving.py test_schedule_changes.py test_schedule_runs.py
        test_schedules.py test_testing.py
    """,
    ("store_surreal", "sp00ky_store_surreal/src/sp00ky_store_surreal"): """
        connection/test_handshake.py jobs/test_claim_index.py
        jobs/test_claim_limits.py jobs/test_reschedule.py
        schema/test_dry_run.py schema/test_waiting_jobs.py test_cancellation.py test_conformance.py
        test_dropin_tables.py test_full_disk.py test_model.py test_other_keys.py
        test_permissions.py test_redeploy.py test_result_values.py test_row_loading.py
    """,
    ("store_sqlite", "contrib/sp00ky_store_sqlite/src/sp00ky_store_sqlite"): """
        test_claims.py test_command_line.py test_model.py test_schedules.py test_schema.py
    """,
    ("store_mysql", "contrib/sp00ky_store_mysql/src/sp00ky_store_mysql"): """
        test_cancellation.py test_claims.py test_command_line.py test_grants.py test_model.py
        test_schedules.py test_schema.py test_silence.py
    """,
    ("opentelemetry", "contrib/sp00ky_opentelemetry/src/sp00ky_opentelemetry"): "",
    ("receiver", "contrib/sp00ky_receiver/src/sp00ky_receiver"): "",
    ("django", "contrib/sp00ky_django/src/sp00ky_django"): "",
    ("transport_amqp", "contrib/sp00ky_transport_amqp/src/sp00ky_transport_amqp"): """
        test_transport_conformance.py
    """,
    ("transport_asgi", "contrib/sp00ky_transport_asgi/src/sp00ky_transport_asgi"): """
        test_frameworks.py test_transport_conformance.py
    """,
    ("generate", "contrib/sp00ky_generate/src/sp00ky_generate"): "test_generated_calls.py test_soundness.py",
    ("tasks", "contrib/sp00ky_tasks/src/sp00ky_tasks"): "test_rows.py test_transport_conformance.py",
    ("webhooks", "contrib/sp00ky_webhooks/src/sp00ky_webhooks"): "test_browser.py test_kills.py",
    ("schedules", "contrib/sp00ky_schedules/src/sp00ky_schedules"): """
        pages/test_schedules_page.py test_memory.py
    """,
    ("workflows", "contrib/sp00ky_workflows/src/sp00ky_workflows"): """
        test_batches.py test_held_up.py test_hooks.py test_kills.py test_missed.py test_recipes.py
        test_more_steps.py test_running.py test_schedules.py test_tracing.py
        test_steering.py test_stores.py test_undo.py
    """,
    ("dashboard", "contrib/sp00ky_dashboard/src/sp00ky_dashboard"): """
        test_browser.py test_mounted.py test_stores.py test_vendor.py
    """,
    ("transport_http", "sp00ky_transport_http/src/sp00ky_transport_http"): """
        engines/test_tls_and_proxy.py test_connections.py test_described.py test_floods.py
        test_parameters.py test_transport_conformance.py
    """,
    ("conformance", "sp00ky_conformance/src/sp00ky_conformance"): """
        test_memory_store.py test_package.py test_promises.py test_suite.py test_transport_suite.py
    """,
}
"""By folder of tests and package: tests that are of no one module."""

ACROSS = "benchmarks chaos documents e2e examples hostile mutants packaging types upgrade"
"""Folders whose tests are of several distributions together, or of none."""


@pytest.mark.parametrize(("folder", "package"), CROSSING, ids=str)
def test_each_test_is_of_a_module_or_listed(folder: str, package: str) -> None:
    modules, tests = ROOT / package, ROOT / "tests" / folder
    mirrored = {
        str(file.relative_to(modules).with_name(f"test_{file.name}")) for file in modules.rglob("*.py")
    }
    there = {str(file.relative_to(tests)) for file in tests.rglob("test_*.py")}
    assert there - mirrored == set(CROSSING[folder, package].split())


def test_every_folder_of_tests_is_a_distribution_s_or_crosses_them() -> None:
    """So that no test is outside of the tree by its folder's name."""
    folders = {file.name for file in (ROOT / "tests").iterdir() if any(file.rglob("test_*.py"))}
    assert folders - {folder for folder, _ in CROSSING} == set(ACROSS.split())


def test_the_map_has_each_room_of_the_core_in_the_order_that_imports_keep() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [room for layer in reversed(contract["layers"]) for room in layer.split(" | ")]
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## The rooms of the core")[2]
    rows = [line.split("|")[1] for line in table.partition("\n!")[0].splitlines() if line.startswith("| `")]
    rooms = [room.rstrip("/") for row in rows for room in re.findall(r"`([^`]+)`", row)]
    assert [room for room in rooms if room in layers] == layers
    assert set(rooms) - {"sp00ky_core"} == set(layers)
