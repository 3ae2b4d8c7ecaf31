"""docs/row-contract.md says what the code does: its columns, its transitions, its names, its statements."""

import re
from pathlib import Path

from surrealdb import AsyncSurreal

from sp00ky_core import JobStatus, JobTable, StoreOptions
from sp00ky_core.job import outcome
from sp00ky_core.job.state_machine import TABLE
from sp00ky_store_surreal import SurrealStore

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "row-contract.md").read_text()
SCHEMA = ROOT / "sp00ky_store_surreal" / "src" / "sp00ky_store_surreal" / "schema"
STATEMENTS = re.findall(r"^```surql\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its own heading."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines[2:]]


def test_every_column_is_described_with_its_type() -> None:
    schema = "".join((SCHEMA / f"{name}.surql").read_text() for name in ("job_additions", "job"))
    schema = schema.replace("@payload@", "any").replace("@result@", "any")
    field = r"^DEFINE FIELD IF NOT EXISTS (\w+) ON TABLE @table@ TYPE (.+?)(?:;| DEFAULT.*)?$"
    defined = dict(re.findall(field, schema, re.MULTILINE))
    described = {row[0].strip("`"): row[1].strip("`").replace("\\", "") for row in rows_of("Columns")}
    assert described.pop("id") == "record id"
    assert described == defined


def test_every_transition_is_described() -> None:
    described = set()
    for row in rows_of("The state machine"):
        froms, event, to = re.findall(r"`(\w+)`", row[0]), re.split(r"\W", row[1])[0], row[2].strip("`")
        described |= {(from_, event, to) for from_ in froms}
    legal = {
        (status.value, event.__name__.lower(), to.value)
        for (status, event), (_, leads_to) in TABLE.items()
        for to in leads_to
    }
    assert described == legal


def test_every_name_of_an_error_is_described() -> None:
    names = {value for name, value in vars(outcome).items() if name.isupper() and isinstance(value, str)}
    section = TEXT.partition("## Entries of `errors`")[2].partition("\n## ")[0]
    assert names <= set(re.findall(r"`(\w+)`", section))


async def test_its_statements_work(tmp_path: Path) -> None:
    enqueue, newest, permissions, claim = STATEMENTS
    options = StoreOptions(
        url="surrealkv://jobs", tables=(JobTable(backend="api", table="job"),), directory=tmp_path
    )
    store = SurrealStore(options)
    await store.open()
    await store.migrate()
    await store._connection.write("DEFINE TABLE OVERWRITE job SCHEMAFULL PERMISSIONS FULL")
    await store._connection.write("DEFINE FIELD OVERWRITE status ON job TYPE string DEFAULT ALWAYS 'pending'")
    assert {finding.subject for finding in await store.check()} == {"job", "job.status"}
    await store._connection.write(permissions)
    assert await store.check() == []
    await store.close()

    async with AsyncSurreal(f"surrealkv://{tmp_path / 'jobs'}") as database:
        await database.use("main", "main")
        for statements in (enqueue, newest, claim):
            reply = await database.query_raw(statements)
            assert [result["status"] for result in reply["result"]] == ["OK"] * len(reply["result"])
            (row,) = reply["result"][-1]["result"]
            assert (row["path"], row["payload"]) == ("/spookify", '{"id": "thread:abc"}')

    await store.open()
    job = await store.get(f"job:{row['id'].id}")
    await store.close()
    assert job.status is JobStatus.PROCESSING
    assert (job.payload, job.assigned_to, job.retries) == ({"id": "thread:abc"}, "thread:abc", 0)
    assert (job.lease_epoch, job.runner_id, job.max_retries) == (1, "my-runner-1", 3)
    assert job.lease_until is not None
