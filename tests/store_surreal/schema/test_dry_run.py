"""check's dry run of a job on a table: the first refusal, in the database's own words."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import Finding
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.errors import FUNCTIONS

STATUS = "DEFINE FIELD OVERWRITE status ON job TYPE string DEFAULT ALWAYS 'pending'"
FOUR = "$value IN ['pending', 'processing', 'success', 'failed']"


async def told(store: SurrealStore, definition: str) -> list[Finding]:
    """What check says once the table is defined so; nothing of what it tried is kept."""
    await store._connection.write(definition)
    await store.beat("r")  # else due jobs would be spoken of, too
    before = await store._connection.read("SELECT * FROM job")
    findings = await store.check()
    assert await store._connection.read("SELECT * FROM job") == before
    # No definition here closes a field to clients, of which check speaks too.
    return [finding for finding in findings if finding.problem != "clients may change it"]


GUARDS = {
    "success is final": "$before = NONE OR $before != 'success' OR $value = 'success'",
    "only claims end": "$before IN [NONE, 'success', 'processing'] OR $value != 'success'",
}
"""What an application may ask of ``status``: the state machine's own rules."""


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
@pytest.mark.parametrize("row", ["", "pending", "processing", "failed", "success"])
async def test_a_guard_that_no_runner_violates_is_no_finding(
    migrated: SurrealStore, guard: str, row: str
) -> None:
    if row:
        create = "CREATE job:there SET path = '/a', payload = '{}', max_retries = 0, status = $status"
        await migrated._connection.write(create, status=row)
    assert await told(migrated, f"{STATUS} ASSERT {FOUR} AND ({guard})") == []


@pytest.mark.parametrize("status", ["processing", "success", "failed"])
async def test_a_status_that_is_refused_stops_jobs(migrated: SurrealStore, status: str) -> None:
    (finding,) = await told(migrated, f"{STATUS} ASSERT {FOUR} AND $value != '{status}'")
    assert (finding.stops_jobs, finding.subject) == (True, "job")
    assert finding.problem.startswith(f"a dry run of a job was refused: Found '{status}' for field `status`")


UNMAKEABLE = {
    "required field": ("DEFINE FIELD tenant ON job TYPE string", "tenant"),
    "payload as object": ("DEFINE FIELD OVERWRITE payload ON job TYPE object FLEXIBLE", "payload"),
    "no such function": (
        "DEFINE FIELD OVERWRITE path ON job TYPE string ASSERT fn::nope($value)",
        "fn::nope",
    ),
    "function that throws": (
        "DEFINE FUNCTION fn::no() { THROW 'no tenant' }; DEFINE FIELD OVERWRITE path ON job ASSERT fn::no()",
        "no tenant",
    ),
    "by who signed in": ("DEFINE FIELD tenant ON job VALUE $auth.id.foo TYPE record<user>", "tenant"),
    "by a request": (
        "DEFINE FIELD OVERWRITE path ON job TYPE string ASSERT http::get('http://127.0.0.1:1') != NONE",
        "",
    ),
    "relation": ("DEFINE TABLE OVERWRITE job TYPE RELATION SCHEMAFULL", "RELATION"),
}
"""Definitions by which no job of ours can be made, and what of the database's words names it."""


@pytest.mark.parametrize(("definition", "named"), UNMAKEABLE.values(), ids=UNMAKEABLE)
async def test_a_table_that_takes_no_job_of_ours_is_named(
    migrated: SurrealStore, definition: str, named: str
) -> None:
    (finding,) = await told(migrated, definition)
    assert (finding.stops_jobs, finding.subject) == (False, "job")  # rows may come from who knows more
    assert finding.problem.startswith("a job that has only the outbox's fields was refused: ")
    assert named in finding.problem
    assert "outbox.run() and sp00ky call can't make jobs" in finding.consequence
    with pytest.raises(StoreError):
        await migrated.add([NewJob(path="/a", backend="api")])


@pytest.mark.parametrize(
    "field",
    [
        "path ON job TYPE string ASSERT $value IN ['/a', '/b']",
        "payload ON job TYPE string ASSERT $value != '{}'",
        "assigned_to ON job TYPE option<record<thread>> ASSERT $value = NONE OR $value = thread:a",
    ],
)
async def test_what_a_job_of_ours_may_meet_is_no_refusal(migrated: SurrealStore, field: str) -> None:
    findings = await told(migrated, f"DEFINE FIELD OVERWRITE {field}")
    assert {finding.subject for finding in findings} <= {"job.assigned_to"}  # its type, as ever


async def test_a_user_who_may_not_write_stops_jobs(
    make_store: Callable[..., SurrealStore], surreal_url: str, make_migrated: Any
) -> None:
    root = await make_migrated(surreal_url)
    await root._connection.write("DEFINE USER vi ON DATABASE PASSWORD 'pw' ROLES VIEWER")
    await root._connection.write("DEFINE EVENT hook ON TABLE job WHEN false THEN {}")
    store = make_store(f"ws://vi:pw@{surreal_url.partition('@')[2]}?auth=database")
    await store.open()
    (finding,) = await store.check()
    assert (finding.stops_jobs, "ROLES EDITOR" in finding.fix) == (True, True)
    assert "may not write" in finding.problem
    await store.close()


def denying(allowed: str) -> tuple[str, ...]:
    """Of a server on which these functions are allowed and no others."""
    return ("--deny-all", "--allow-funcs", f"{allowed},crypto::argon2")


async def test_a_server_that_allows_too_few_functions_is_named(
    make_store: Callable[..., SurrealStore], new_surreal_server: Any
) -> None:
    server = new_surreal_server(options=denying("array,string"))
    store = make_store(server.url())
    await store.open()
    advice = re.escape(f"--allow-funcs {FUNCTIONS}")
    with pytest.raises(StoreError, match=f"Function '.*' is not allowed.*{advice}"):
        await store.migrate()
    finding = (await store.check())[0]
    assert (finding.stops_jobs, finding.subject) == (True, "functions")
    assert re.search(advice, finding.fix)
    await store.close()


async def test_the_functions_that_are_documented_are_enough(
    new_surreal_server: Any, make_migrated: Any
) -> None:
    documented = (Path(__file__).parents[3] / "docs" / "surrealdb.md").read_text()
    assert f"--allow-funcs {FUNCTIONS}" in documented
    store = await make_migrated(new_surreal_server(options=denying(FUNCTIONS)).url())
    assert await store.check() == []
    new_jobs = [NewJob(path="/a", backend="api", dedup_key=key) for key in ("a", "b", None)]
    await store.add(new_jobs)
    jobs = await store.claim({"api": 3}, "r")
    assert len(jobs) == 3
    await store.settle([settlement(job, Delivered(result={})) for job in jobs])
    assert (await store.stats())["api"].success == 3
