"""What the documents say about PostgreSQL, done on a real server."""

import re
import uuid
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_core import JobQuery, JobStatus, Outbox
from sp00ky_store_postgres import PostgresStore

ROOT = Path(__file__).parents[2]

SPEC = """
openapi: 3.1.0
info: {title: api, version: "1"}
paths:
  /spookify:
    post:
      requestBody:
        content: {application/json: {schema: {required: [id], properties: {id: {type: string}}}}}
"""


def examples(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "openapi.yml").write_text(SPEC)
    backend = "{spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}}"
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {backend}}}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("document", "thread"), [("docs/row-contract.md", "thread:abc"), ("docs/postgresql.md", 7)]
)
async def test_an_insert_is_a_whole_enqueue(
    store: PostgresStore, sql: Any, schema: str, document: str, thread: object
) -> None:
    statement = examples(document, "sql")[0]
    quoted = schema.replace('"', '""')
    await sql.execute(f'SET search_path = "{quoted}"')
    await sql.execute(statement)
    (job,) = await store.find(JobQuery())
    assert (job.status, job.path, job.payload) == (JobStatus.PENDING, "/spookify", {"id": thread})
    assert job.id == f"job:{uuid.UUID(job.id.partition(':')[2])}"
    (claimed,) = await store.claim({"api": 1}, "runner")
    assert (claimed.id, claimed.defect) == (job.id, None)


async def test_a_job_in_the_caller_s_transaction(
    store: PostgresStore, url: str, sql: Any, schema: str, project: Path
) -> None:
    (example,) = [block for block in examples("docs/transactions.md", "python") if "import asyncpg" in block]
    scope: dict[str, Any] = {}
    exec(example, scope)  # noqa: S102  # our own document
    await sql.execute("CREATE TEMP TABLE thread (id text PRIMARY KEY)")
    async with Outbox.open("sp00ky.yml", store=url) as outbox:
        job = await scope["spookify"](outbox, sql, "thread:abc")
        assert (await outbox.get(job.id)).payload == {"id": "thread:abc"}
        with pytest.raises(Exception, match="duplicate key"):
            await scope["spookify"](outbox, sql, "thread:abc")
        assert len(await outbox.find()) == 1


async def test_sql_of_an_enqueue(store: PostgresStore, url: str, sql: Any, project: Path) -> None:
    (example,) = [block for block in examples("docs/transactions.md", "python") if "paramstyle=" in block]
    scope: dict[str, Any] = {"asyncpg": asyncpg}
    exec(example, scope)  # noqa: S102  # our own document
    async with Outbox.open("sp00ky.yml", store=url) as outbox:
        key = await scope["spookify"](outbox, sql, "thread:abc")
        assert (await outbox.get(f"job:{key}")).payload == {"id": "thread:abc"}
