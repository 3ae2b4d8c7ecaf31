"""``sp00ky migrate``: what it prints is what it would do, and it does no more than it says."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from surrealdb import AsyncSurreal

SPEC_TABLE = Path(__file__).parents[2] / "store_surreal" / "spec_job.surql"


def execute(folder: Path, statements: str) -> None:
    """Run statements as the database's own client would."""

    async def run() -> None:
        async with AsyncSurreal(f"surrealkv://{folder / 'sp00ky.db'}") as client:
            await client.use("main", "main")
            for reply in (await client.query_raw(statements))["result"]:
                assert reply["status"] == "OK", reply

    asyncio.run(run())


def statements(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line and not line.startswith("-- ")]


def test_printing_changes_nothing(project: Path, sp00ky: Any) -> None:
    first = sp00ky("migrate", "--print")
    assert first.code == 0
    assert statements(first.out)
    assert sp00ky("migrate", "--print").out == first.out
    assert sp00ky("check").code == 1


def test_it_says_what_it_did_and_that_it_is_done(project: Path, sp00ky: Any) -> None:
    *lines, last = sp00ky("migrate").out.splitlines()
    tables = [line.partition(":")[0] for line in lines]
    assert len(set(tables)) == len(tables), "a line for each table"
    assert {line.partition(": ")[2] for line in lines} == {"created"}
    assert "job" in tables
    assert int(last.removeprefix("done, in ").split()[0]) > 100
    assert sp00ky("migrate").out == "nothing to do\n"
    execute(project, "REMOVE FIELD priority ON job; REMOVE FIELD expires_at ON job;")
    assert sp00ky("migrate").out == "job: extended, 2 steps\ndone, in 2 steps\n"


def test_what_is_printed_works_as_it_is(project: Path, sp00ky: Any) -> None:
    execute(project, sp00ky("migrate", "--print").out)
    assert sp00ky("check").code == 0
    waited = sp00ky("call", "api", "/json", "--wait", "--json")
    assert (waited.code, waited.json["status"]) == (0, "success")
    assert sp00ky("migrate").code == 0
    assert sp00ky("migrate", "--print").out == "-- nothing to do\n"


@pytest.fixture
def documented(project: Path) -> Path:
    """A database with the table as the documentation of Sp00ky has it."""
    execute(project, "DEFINE TABLE user SCHEMALESS; DEFINE TABLE thread SCHEMALESS;" + SPEC_TABLE.read_text())
    return project


def test_a_table_that_cannot_hold_errors_is_repaired_only_when_asked(documented: Path, sp00ky: Any) -> None:
    assert sp00ky("migrate").code == 0
    warned = sp00ky("check", "--json")
    assert warned.code == 0  # jobs run
    assert any("errors" in finding["subject"] + finding["problem"] for finding in warned.json["findings"])
    assert {finding["severity"] for finding in warned.json["findings"]} == {"warning"}
    assert any("--repair" in finding["fix"] for finding in warned.json["findings"])
    assert statements(sp00ky("migrate", "--print").out) == []
    repair = sp00ky("migrate", "--print", "--repair")
    assert any("errors" in line for line in statements(repair.out))
    execute(documented, repair.out)
    assert sp00ky("check", "--json").json == {"findings": []}
    assert sp00ky("migrate", "--repair").code == 0
    assert sp00ky("migrate", "--repair").out == "nothing to do\n"


def test_what_clients_may_break_a_promise_with_is_an_error_until_a_migration_closes_it(
    project: Path, sp00ky: Any, start: Any
) -> None:
    assert sp00ky("migrate").code == 0
    execute(project, "DEFINE FIELD OVERWRITE max_retries ON job TYPE int DEFAULT ALWAYS 3;")
    checked = sp00ky("check", "--json")
    assert checked.code == 1
    (finding,) = checked.json["findings"]
    assert (finding["severity"], finding["subject"]) == ("error", "job.max_retries")
    process = start("run", "--until-empty")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err  # jobs are delivered all the same
    assert "job.max_retries: clients may change it" in err
    assert sp00ky("migrate").out == "job: extended, 1 step\ndone, in 1 steps\n"
    assert sp00ky("check").code == 0


@pytest.mark.parametrize(
    "lacking", ["REMOVE FIELD claimed_at ON job; REMOVE TABLE sp00ky_step", "REMOVE TABLE sp00ky_step"]
)
def test_before_a_migration_nothing_is_said_that_comes_of_it(
    project: Path, sp00ky: Any, lacking: str
) -> None:
    """As the release before has left the tables: without a column, and without a new extension's table."""
    assert sp00ky("migrate").code == 0
    sp00ky("call", "api", "/json")
    execute(project, f"{lacking};")
    (project / "sp00ky.yml").write_text((project / "sp00ky.yml").read_text() + "unheardOf: 1\n")
    checked = sp00ky("check", "--json")
    assert checked.code == ("claimed_at" in lacking)
    before = [*map(tuple, map(dict.values, checked.json["findings"]))]
    assert sp00ky("migrate").code == 0
    after = {*map(tuple, map(dict.values, sp00ky("check", "--json").json["findings"]))}
    by_migration = [finding for finding in before if finding not in after]
    assert {fix for *_, fix in by_migration} == {"run: sp00ky migrate"}
    assert before[: len(by_migration)] == by_migration
    assert "unheardOf" in {subject for _, subject, *_ in before[len(by_migration) :]}
