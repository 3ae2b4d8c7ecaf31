"""Enqueueing within a transaction of the caller's: as text, and in a client transaction of the SDK."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from surrealdb import AsyncSurreal, AsyncSurrealTransaction

from sp00ky_core import CallUnsupported, JobQuery, OptionInvalid, Outbox, RowRefused
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.url import target_of

CONFIG = "backends: {api: {spec: openapi.json, baseUrl: http://127.0.0.1:1, method: {table: job}}}"
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "api", "version": "1"},
    "paths": {
        "/spookify": {
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"type": "object", "required": ["id"]}}}
                },
                "responses": {"200": {"description": "done"}},
            }
        }
    },
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "sp00ky.yml").write_text(CONFIG)
    return tmp_path / "sp00ky.yml"


@pytest_asyncio.fixture
async def outbox(config: Path, surreal_url: str) -> AsyncIterator[Outbox]:
    async with Outbox.open(config, store=surreal_url) as outbox:
        await outbox.store.migrate()
        yield outbox


@pytest_asyncio.fixture
async def db(outbox: Outbox, surreal_url: str) -> AsyncIterator[Any]:
    """The application's own connection."""
    target = target_of(StoreOptions(url=surreal_url, tables=()))
    async with AsyncSurreal(target.sdk_url) as sdk:
        await sdk.signin({"username": target.username, "password": target.password})
        await sdk.use(target.namespace, target.database)
        await sdk.query_raw("DEFINE TABLE thread SCHEMALESS; DEFINE TABLE audit SCHEMALESS")
        yield sdk


async def begun(db: Any, url: str, place: str | None = None) -> AsyncSurrealTransaction:
    target = target_of(StoreOptions(url=url, tables=()))
    session = await db.new_session()
    await session.signin({"username": target.username, "password": target.password})
    await session.use(place or target.namespace, place or target.database)
    transaction = await session.begin_transaction()
    assert isinstance(transaction, AsyncSurrealTransaction)
    return transaction


def enqueue(outbox: Outbox, **options: Any) -> Any:
    return outbox.statement("api", "/spookify", {"id": "a"}, assigned_to="thread:a", **options)


async def rows(db: Any, statement: str) -> Any:
    reply = await db.query_raw(statement)
    return reply["result"][-1]["result"]


async def test_the_job_is_there_with_what_it_belongs_to(outbox: Outbox, db: Any) -> None:
    one, two = enqueue(outbox), enqueue(outbox, dedup_key="k")
    thread = f"CREATE thread:a SET title = $title, jobs = [{one.variable}, {two.variable}];"
    reply = await db.query_raw(
        f"BEGIN; {one.text} {two.text} {thread} COMMIT;", {"title": "t", **one.bindings, **two.bindings}
    )
    assert {result["status"] for result in reply["result"]} == {"OK"}
    (thread,) = await rows(db, "SELECT * FROM thread")
    assert [id_text(record) for record in thread["jobs"]] == [one.job_id, two.job_id]
    jobs = [await outbox.get(statement.job_id) for statement in (one, two)]
    assert [(job.payload, job.assigned_to) for job in jobs] == [({"id": "a"}, "thread:a")] * 2


async def test_other_stores_say_what_to_use(config: Path) -> None:
    with pytest.raises(CallUnsupported, match="connection="):
        enqueue(Outbox.open(config, store="memory://"))


async def test_a_client_transaction_takes_the_job_with_it(outbox: Outbox, db: Any, surreal_url: str) -> None:
    for end in ("cancel", "commit"):
        transaction = await begun(db, surreal_url)
        await transaction.query("CREATE thread:a SET title = 't'")
        job = await outbox.run("api", "/spookify", {"id": "a"}, connection=transaction)
        assert await outbox.find() == []
        await getattr(transaction, end)()
    assert [stored.id for stored in await outbox.find()] == [job.id]
    assert len(await rows(db, "SELECT * FROM thread")) == 1


def example(word: str) -> str:
    """The one of docs/transactions.md that has the word."""
    document = (Path(__file__).parents[3] / "docs" / "transactions.md").read_text()
    (found,) = [block for block in re.findall(r"```python\n(.*?)```", document, re.DOTALL) if word in block]
    return str(found)


@pytest.mark.parametrize("word", ["new_session", "query_raw"])
async def test_the_documents_examples_work(outbox: Outbox, db: Any, surreal_url: str, word: str) -> None:
    scope: dict[str, Any] = {}
    exec(example(word), scope)  # noqa: S102  # our own document
    target = target_of(StoreOptions(url=surreal_url, tables=()))
    place = [target.namespace, target.database] if word == "new_session" else ["Boo"]
    await scope["spookify"](outbox, db, *place)
    (job,) = await outbox.find()
    assert (job.payload, job.assigned_to) == ({"id": "abc"}, "thread:abc")
    assert [thread["title"] for thread in await rows(db, "SELECT * FROM thread")] == ["Boo"]


async def test_a_refusal_leaves_nothing_in_a_transaction_that_goes_on(
    db: Any, surreal_url: str, tmp_path: Path
) -> None:
    # The server keeps what a statement wrote before it failed, and commits it with the rest.
    await db.query_raw("DEFINE FIELD OVERWRITE path ON job TYPE string ASSERT $value != '/no'")
    from sp00ky_core.job.job import NewJob  # noqa: PLC0415

    store = SurrealStore(StoreOptions(url=surreal_url, tables=(JobTable(backend="api", table="job"),)))
    await store.open()
    transaction = await begun(db, surreal_url)
    with pytest.raises(RowRefused, match="/no"):
        await store.add(
            [NewJob(path="/a", backend="api"), NewJob(path="/no", backend="api")], connection=transaction
        )
    await transaction.query("CREATE audit:a")
    await transaction.commit()
    assert len(await rows(db, "SELECT * FROM audit")) == 1
    assert await store.find(JobQuery()) == []
    await store.close()


async def test_a_transaction_in_another_database_is_refused(
    outbox: Outbox, db: Any, surreal_url: str
) -> None:
    await db.query_raw("DEFINE NAMESPACE IF NOT EXISTS elsewhere")
    await db.query_raw("USE NS elsewhere; DEFINE DATABASE IF NOT EXISTS elsewhere")
    transaction = await begun(db, surreal_url, "elsewhere")
    with pytest.raises(OptionInvalid, match="elsewhere/elsewhere; expected one in test_"):
        await outbox.run("api", "/spookify", {"id": "a"}, connection=transaction)
    await transaction.cancel()
    assert await outbox.find() == []


async def test_a_transaction_that_has_ended_is_said_to_be(outbox: Outbox, db: Any, surreal_url: str) -> None:
    transaction = await begun(db, surreal_url)
    await transaction.commit()
    with pytest.raises(OptionInvalid, match="has ended"):
        await outbox.run("api", "/spookify", {"id": "a"}, connection=transaction)
