"""Several servers in one URL: the first that takes work gets it, until it takes none any more."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from tests.mariadb import NO_MARIADB, MariadbServer, is_installed
from tests.ports import free_port
from tests.store_mysql.conftest import migrated, new_job

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_mysql import MysqlStore

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")


@contextmanager
def listening(*options: str) -> Iterator[tuple[MariadbServer, str]]:
    """A server with a user that may do no more than an application's, and its ``HOST:PORT``."""
    if not is_installed():
        pytest.skip(NO_MARIADB)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="sp00ky-mariadb", ignore_cleanup_errors=True) as folder:
        listens = ("--skip-networking=0", "--bind-address=127.0.0.1", f"--port={port}")
        server = MariadbServer(Path(folder), (*listens, *options))
        server.start()
        try:
            for text in ("DATABASE app", "USER app@localhost", "USER app@127.0.0.1"):
                server.run(f"CREATE {text}")
            for host in ("localhost", "127.0.0.1"):
                server.run(f"GRANT ALL ON app.* TO app@{host}")
            yield server, f"127.0.0.1:{port}"
        finally:
            server.kill()


@asynccontextmanager
async def store_at(*hosts: str) -> AsyncIterator[MysqlStore]:
    """A store of some servers, the tables of each of which are made."""
    for url in hosts:
        await (await migrated(options_at(url))).close()
    store = MysqlStore(options_at(",".join(hosts)))
    await store.open()
    yield store
    await store.close()


def options_at(hosts: str) -> StoreOptions:
    tables = (JobTable(backend="api", table="job"),)
    return StoreOptions(url=f"mariadb://app@{hosts}/app", tables=tables)


async def added_at_last(store: MysqlStore) -> str:
    """Add a job; as a caller does it again, whose connections are still to the server of before."""
    for _ in range(8):
        with suppress(StoreUnavailable):
            (job,) = await store.add([new_job()])
            return job.id
    (job,) = await store.add([new_job()])
    return job.id


async def test_the_server_that_takes_writes_gets_them() -> None:
    with listening() as (one, first), listening() as (other, second):
        async with store_at(first, second) as store:
            before = await added_at_last(store)
            one.run("SET GLOBAL read_only = 1")
            after = await added_at_last(store)
            assert [job.id for job in await store.claim({"api": 9}, "r")] == [after]
            other.run("SET GLOBAL read_only = 1")
            with pytest.raises(StoreUnavailable) as caught:
                await added_at_last(store)
            said = "the server is read-only, as a replica is"
            assert sorted(caught.value.problem.split("; ")) == sorted(
                [f"{first}: {said}", f"{second}: {said}"]
            )
            one.run("SET GLOBAL read_only = 0")
            assert (await store.get(before)).id == before
            other.kill()
            assert await added_at_last(store)


@pytest.mark.skipif(not PROVIDER.exists(), reason="galera isn't installed: apt install galera-4")
async def test_a_node_that_is_not_in_its_cluster_is_an_outage() -> None:
    at = f"127.0.0.1:{free_port()}"
    cluster = [f"--wsrep-provider={PROVIDER}", "--wsrep-on=ON", "--wsrep-cluster-address=gcomm://"]
    cluster += [f"--wsrep-node-address={at}", "--binlog-format=ROW"]
    cluster += [f"--wsrep-provider-options=gmcast.listen_addr=tcp://{at}"]
    with listening(*cluster) as (node, first), listening() as (_, second):
        async with store_at(first) as alone, store_at(first, second) as store:
            before = await added_at_last(store)
            node.run("SET GLOBAL wsrep_reject_queries = ALL")
            with pytest.raises(StoreUnavailable, match="out of its cluster's quorum or still joins it"):
                await alone.add([new_job()])
            after = await added_at_last(store)
            assert [job.id for job in await store.claim({"api": 9}, "r")] == [after]
            node.run("SET GLOBAL wsrep_reject_queries = NONE")
            assert (await alone.get(before)).id == before
