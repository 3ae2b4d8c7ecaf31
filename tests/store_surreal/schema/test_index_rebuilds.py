"""An index that was built beside writers is what its table holds, or check and migrate say so."""

import asyncio
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.conftest import NewServer
from tests.store_surreal.lying_index import PLAIN, defined_beside

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import SchemaError
from sp00ky_core.job.job import NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.schema import index_rebuilds

WRITES = (
    "UPDATE job SET status = 'success', updated_at = time::now() WHERE run_at > time::now() - 1m",
    "DELETE job:gone",
    "CREATE job:late SET path = '/spookify', payload = '{}', run_at = time::now()",
)


def new_jobs(count: int) -> list[NewJob]:
    return [NewJob(backend="api", path="/spookify", payload={}) for _ in range(count)]


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("write", WRITES)
async def test_an_index_that_lies_is_found_and_rebuilt(
    surreal_url: str, write: str, size: str, monkeypatch: pytest.MonkeyPatch, make_migrated: Any
) -> None:
    monkeypatch.setattr(index_rebuilds, "EXACT", {"small": index_rebuilds.EXACT, "large": 0}[size])
    store = await make_migrated(surreal_url)
    await store.add(new_jobs(2))
    await store._connection.write("CREATE job:gone SET path = '/spookify', payload = '{}'")
    await defined_beside(surreal_url, write)
    monkeypatch.setattr(index_rebuilds, "ROUNDS", 0)
    with pytest.raises(SchemaError, match="however often it is rebuilt"):  # not once more, unlooked at
        await index_rebuilds.make_true(store._connection, store.options.tables, built=False)
    (finding,) = [finding for finding in await store.check() if "sp00ky_claim" in finding.subject]
    assert finding.stops_jobs
    assert "sp00ky migrate" in finding.fix
    (step,) = await store.migrate()
    assert step.statement.startswith("REBUILD INDEX sp00ky_claim")
    assert [finding for finding in await store.check() if finding.stops_jobs] == []


@pytest.mark.slow  # the server waits a minute for whoever was building it
async def test_a_build_that_was_cut_off_is_begun_again(
    new_surreal_server: NewServer, tmp_path: Path, make_migrated: Any
) -> None:
    server = new_surreal_server(f"surrealkv://{tmp_path / 'db'}")
    store = await make_migrated(server.url())
    rows = "array::map(array::range(0, 2000), |$n| { path: '/x', payload: '{}' })"
    for _ in range(5):
        await store._connection.write(f"INSERT INTO job {rows} RETURN NONE")
    await store._connection.write("REMOVE INDEX sp00ky_claim ON job")
    await store._connection.write(PLAIN.replace(";", " CONCURRENTLY;"))
    server.kill()
    server.start()
    await store.migrate()
    assert [finding for finding in await store.check() if finding.stops_jobs] == []
    assert len(await store.claim({"api": 5}, "r")) == 5


@attrs.define(kw_only=True)
class Fleet:
    """Clients that enqueue and runners that deliver, until a migration is over."""

    stores: list[SurrealStore]
    migrating: bool = True

    async def enqueue(self) -> None:
        """Enqueue batch after batch."""
        while self.migrating:
            await self.stores[0].add(new_jobs(40))

    async def enqueue_slowly(self) -> None:
        """Enqueue in transactions that outlast a build."""
        slowly = "BEGIN; CREATE job SET path = '/spookify', payload = '{}' RETURN NONE; sleep(100ms); COMMIT"
        while self.migrating:
            await self.stores[0]._connection.write(slowly)

    async def deliver(self, store: SurrealStore, runner: str) -> None:
        """Deliver until all is: a claim that finds nothing may find something when it looks again."""
        while self.migrating or await self.left():
            claim = await store.claim({"api": 20}, runner)
            await store.settle([settlement(job, Delivered()) for job in claim])

    async def left(self) -> list[Any]:
        """List what isn't delivered, by the table itself."""
        left = "SELECT VALUE id FROM job WITH NOINDEX WHERE status != 'success'"
        return list((await self.stores[0]._connection.read(left))[-1])

    def work(self) -> list[asyncio.Task[None]]:
        """Begin all of it."""
        runners = [self.deliver(store, f"r{number}") for number, store in enumerate(self.stores)]
        return [*map(asyncio.create_task, (self.enqueue(), self.enqueue_slowly(), *runners))]


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
@pytest.mark.parametrize("engine", ["memory", "surrealkv"])
async def test_a_migration_beside_runners_and_clients_loses_nothing(
    new_surreal_server: NewServer, tmp_path: Path, engine: str, rounds: int, make_migrated: Any
) -> None:
    server = new_surreal_server("memory" if engine == "memory" else f"surrealkv://{tmp_path / 'db'}")
    migrator, *others = [await make_migrated(server.url()) for _ in range(3)]
    for number, store in enumerate(others):
        await store.beat(f"r{number}")
    fleet = Fleet(stores=others)
    work = fleet.work()
    for _ in range(rounds):
        await migrator._connection.write("REMOVE INDEX sp00ky_claim ON TABLE job")
        await migrator.migrate()
    fleet.migrating = False
    async with asyncio.timeout(60):
        await asyncio.gather(*work)
    assert [finding for finding in await migrator.check() if finding.stops_jobs] == []
