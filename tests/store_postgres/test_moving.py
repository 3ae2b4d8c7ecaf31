"""The scripts that move rows of other queues over, each on tables that the other made."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sp00ky_core import Job, JobQuery
from sp00ky_store_postgres import PostgresStore

MOVING = Path(__file__).parents[2] / "docs" / "moving"
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


@attrs.frozen(kw_only=True)
class Place:
    """A schema with a job table, where the other's tables are made too."""

    dsn: str
    schema: str
    store: PostgresStore
    sql: Any

    async def move(self, script: str) -> int:
        """Run a script; how many rows it moved."""
        return len(await self.sql.fetch((MOVING / script).read_text()))

    async def jobs(self) -> list[Job]:
        """The jobs, the first to be delivered first."""
        return sorted(await self.store.find(JobQuery()), key=lambda job: job.payload["id"])

    async def deliverable(self) -> int:
        """How many a runner gets, for none is broken."""
        claimed = await self.store.claim({"api": 100}, "runner")
        assert [job.defect for job in claimed] == [None] * len(claimed)
        return len(claimed)


@pytest.fixture
async def place(dsn: str, schema: str, store: PostgresStore, sql: Any) -> Place:
    quoted = schema.replace('"', '""')
    await sql.execute(f'SET search_path = "{quoted}"')
    return Place(dsn=dsn, schema=schema, store=store, sql=sql)


class TestTable:
    """A hand-made outbox."""

    @pytest.fixture
    async def outbox(self, place: Place) -> Place:
        await place.sql.execute(
            "CREATE TABLE outbox (id bigserial PRIMARY KEY, aggregate_id text NOT NULL, type text NOT NULL,"
            " payload jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), sent_at timestamptz)"
        )
        await self.write(place.sql, "a", "order_placed", 1)
        await self.write(place.sql, "a", "order_paid", 2)
        await self.write(place.sql, "b", "order_seen", 3)
        await place.sql.execute("INSERT INTO outbox VALUES (99, 'b', 'order_paid', '{}', now(), now())")
        return place

    async def write(self, sql: Any, order: str, what: str, number: int) -> None:
        statement = "INSERT INTO outbox (aggregate_id, type, payload) VALUES ($1, $2, $3)"
        await sql.execute(statement, order, what, f'{{"id": {number}}}')

    async def unsent(self, place: Place) -> list[str]:
        return [row["type"] for row in await place.sql.fetch("SELECT type FROM outbox WHERE sent_at IS NULL")]

    async def test_what_is_unsent_is_moved_once(self, outbox: Place) -> None:
        assert await outbox.move("table.sql") == 2
        assert await outbox.move("table.sql") == 0
        placed, paid = await outbox.jobs()
        assert (placed.path, paid.path) == ("/orders/placed", "/orders/paid")
        assert placed.ordering_key == paid.ordering_key == placed.assigned_to == "a"
        assert await self.unsent(outbox) == ["order_seen"]
        assert await outbox.deliverable() == 1  # the second of the order waits for the first

    async def test_what_the_relay_holds_is_left(self, outbox: Place) -> None:
        async with await psycopg.AsyncConnection.connect(outbox.dsn) as relay:
            quoted = outbox.schema.replace('"', '""')
            await relay.execute(f'SELECT FROM "{quoted}".outbox WHERE id = 1 FOR UPDATE')
            assert await outbox.move("table.sql") == 1
        assert await outbox.move("table.sql") == 1

    async def test_the_trigger_makes_jobs_of_what_is_written(self, outbox: Place) -> None:
        await outbox.sql.execute((MOVING / "table_trigger.sql").read_text())
        await self.write(outbox.sql, "c", "order_paid", 4)
        await self.write(outbox.sql, "c", "order_seen", 5)
        (job,) = await outbox.jobs()
        assert (job.path, job.payload, job.ordering_key) == ("/orders/paid", {"id": 4}, "c")
        assert await self.unsent(outbox) == ["order_placed", "order_paid", "order_seen", "order_seen"]


class TestProcrastinate:
    """Procrastinate, whose own library makes the tables and the jobs."""

    @pytest.fixture
    async def app(self, place: Place) -> Any:
        procrastinate = pytest.importorskip("procrastinate")
        quoted = place.schema.replace('"', '""').replace(" ", "\\ ")
        connector = procrastinate.PsycopgConnector(
            conninfo=place.dsn, kwargs={"options": f'-csearch_path="{quoted}"'}
        )
        app = procrastinate.App(connector=connector)

        @app.task(name="spookify", queue="api")  # type: ignore[untyped-decorator]  # imported where it is there
        def spookify(id: str) -> None:  # noqa: A002  # the payload's name
            """Never run here."""

        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            yield app

    async def test_what_waits_is_moved_once(self, place: Place, app: Any) -> None:
        spookify = app.tasks["spookify"]
        await spookify.defer_async(id="1")
        later = spookify.configure(schedule_at=SOON, priority=7, queueing_lock="thread:2")
        await later.defer_async(id="2")
        await spookify.configure(lock="thread:3").defer_async(id="3")
        await spookify.configure(lock="thread:3").defer_async(id="4")
        await app.configure_task("other", queue="api").defer_async(id="5")
        assert await place.move("procrastinate.sql") == 4
        assert await place.move("procrastinate.sql") == 0
        first, second, third, fourth = await place.jobs()
        assert (first.path, first.priority, first.ordering_key) == ("/spookify", 0, None)
        assert (second.run_at, second.priority, second.dedup_key) == (SOON, 3, "thread:2")
        assert third.ordering_key == fourth.ordering_key == "thread:3"
        left = await place.sql.fetch("SELECT task_name FROM procrastinate_jobs WHERE status = 'todo'")
        assert [row["task_name"] for row in left] == ["other"]
        assert await place.deliverable() == 2
        assert await place.deliverable() == 0  # the fourth waits for the third

    async def test_a_key_that_is_taken_waits(self, place: Place, app: Any) -> None:
        await place.sql.execute("INSERT INTO job (path, dedup_key) VALUES ('/spookify', 'k')")
        await app.tasks["spookify"].configure(queueing_lock="k").defer_async(id="1")
        assert await place.move("procrastinate.sql") == 0
        await place.sql.execute("UPDATE job SET status = 'success'")
        assert await place.move("procrastinate.sql") == 1

    async def test_what_a_worker_has_taken_is_left(self, place: Place, app: Any) -> None:
        await app.tasks["spookify"].defer_async(id="1")
        await place.sql.execute("UPDATE procrastinate_jobs SET status = 'doing'")
        assert await place.move("procrastinate.sql") == 0


GRAPHILE = """
import { makeWorkerUtils } from "graphile-worker";
const utils = await makeWorkerUtils({});
await utils.migrate();
await utils.addJob("spookify", { id: "1" });
const later = { runAt: new Date("RUN_AT"), priority: -5, jobKey: "k", maxAttempts: 5 };
await utils.addJob("spookify", { id: "2" }, later);
await utils.addJob("spookify", { id: "3" }, { queueName: "thread:3" });
await utils.addJob("other", {});
await utils.release();
"""


class TestGraphileWorker:
    """Graphile Worker, in the folder of npm's that ``SP00KY_TEST_GRAPHILE`` names."""

    @pytest.fixture
    async def database(self, dsn: str, sql: Any, schema: str) -> Any:
        """A database with its tables and jobs: their schema's name is fixed."""
        folder = os.environ.get("SP00KY_TEST_GRAPHILE")
        if not folder:
            pytest.skip("SP00KY_TEST_GRAPHILE isn't set: nox -s moving sets it")
        name = f"graphile_{schema[6:-1]}"
        await sql.execute(f"CREATE DATABASE {name}")
        await self.fill(Path(folder), {**conninfo_to_dict(dsn), "dbname": name})
        yield urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
        await sql.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def fill(self, folder: Path, where: dict[str, Any]) -> None:
        script = folder / "fill.mjs"
        script.write_text(GRAPHILE.replace("RUN_AT", SOON.isoformat()))
        named = {
            "PGDATABASE": "dbname",
            "PGHOST": "host",
            "PGPORT": "port",
            "PGUSER": "user",
            "PGPASSWORD": "password",
        }
        given = {name: str(where[key]) for name, key in named.items() if where.get(key)}
        process = await asyncio.create_subprocess_exec(
            "node", script.name, cwd=folder, env={**os.environ, **given}
        )
        assert await process.wait() == 0

    async def test_what_waits_is_moved_once(self, database: str, make: Any) -> None:
        store = make(base=database, schema="public")
        await store.open()
        await store.migrate()
        connection = await asyncpg.connect(database)
        place = Place(dsn=database, schema="public", store=store, sql=connection)
        assert await place.move("graphile_worker.sql") == 3
        assert await place.move("graphile_worker.sql") == 0
        first, second, third = await place.jobs()
        assert (first.path, first.priority, first.max_retries) == ("/spookify", 0, 24)
        assert (second.run_at, second.priority, second.dedup_key, second.max_retries) == (SOON, 3, "k", 4)
        assert third.ordering_key == "thread:3"
        assert await place.deliverable() == 2
        await connection.close()
        await store.close()
