"""Connections whose other end falls silent without a word: as after a failover that resets nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
from asyncmy.errors import InterfaceError
from chaos.proxy import Proxy
from tests.store_mysql.conftest import migrated, new_job, run, url_of
from tests.store_mysql.test_cancellation import appears

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import SettleFate, StoreOptions
from sp00ky_store_kit import Access, Session
from sp00ky_store_mysql import MysqlStore
from sp00ky_store_mysql.url import address_of

SILENCE = 1
"""Seconds after which connections are doubted, here."""

WITHIN = 60.0
"""Seconds within which a call has its answer, or an error; it would wait for ever otherwise."""


@pytest.fixture
async def proxy(server: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the server."""
    driver = address_of(server).driver

    async def reach() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if driver["unix_socket"]:
            return await asyncio.open_unix_connection(driver["unix_socket"])
        return await asyncio.open_connection(driver["host"], driver["port"])

    proxy = Proxy(reach)
    await proxy.open()
    yield proxy
    await proxy.close()


@pytest.fixture
async def store(
    options: StoreOptions, database: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MysqlStore]:
    """A store behind the proxy, with a connection of each kind."""
    for room in ("store", "session"):
        monkeypatch.setattr(f"sp00ky_store_mysql.{room}.SILENCE", SILENCE)
    driver = address_of(options.url).driver
    through = f"{driver['user']}:{driver['password']}@127.0.0.1:{proxy.port}"
    store = await migrated(attrs.evolve(options, url=url_of(database, f"mysql://{through}/none")))
    await store.beat("r")
    yield store
    await store.close()


async def test_what_was_answered_in_the_silence_is_settled_soon_and_the_runner_lives(
    store: MysqlStore, proxy: Proxy
) -> None:
    await asyncio.gather(*(store.add([new_job()]) for _ in range(8)))  # over all of its connections
    jobs = await store.claim({"api": 8}, "r")
    proxy.silence()
    async with asyncio.timeout(WITHIN):
        beat, results = await asyncio.gather(
            store.beat("r"), store.settle([settlement(job, Delivered()) for job in jobs])
        )
    assert "r" in beat
    assert {result.fate for result in results} == {SettleFate.SETTLED}


async def test_a_statement_whose_answer_is_lost_ends_and_leaves_no_lock(
    store: MysqlStore, proxy: Proxy, database: str, connection: Any
) -> None:
    store.add_in(connection, [new_job(dedup_key="k")])
    adding = asyncio.create_task(store.add([new_job(dedup_key="k")]))
    await appears(database, "INSERT INTO `job`")
    proxy.silence()
    connection.rollback()  # so that the other one's row is written, which it never hears
    with pytest.raises(StoreUnavailable, match="there is no answer") as caught:
        await asyncio.wait_for(adding, WITHIN)
    assert isinstance(caught.value.__cause__, TimeoutError)
    (job,) = await store.add([new_job(dedup_key="k")])
    assert [claimed.id for claimed in await store.claim({"api": 5}, "r")] == [job.id]


async def test_a_statement_that_is_only_slow_comes_to_its_end(store: MysqlStore) -> None:
    async def slow(session: Session) -> Any:
        return await session.execute(f"SELECT sleep({2.5 * SILENCE})")  # type: ignore[attr-defined]

    for rows, _ in await asyncio.gather(*(store.run(slow, access) for access in (Access.WRITE, Access.READ))):
        assert rows == ((0,),)


async def test_a_slow_statement_goes_on_where_no_connection_is_left_to_ask_by(
    store: MysqlStore, options: StoreOptions, database: str, proxy: Proxy
) -> None:
    async def slow(session: Session) -> Any:
        return await session.execute(f"SELECT sleep({2.5 * SILENCE})")  # type: ignore[attr-defined]

    run("none", f"CREATE USER {database} WITH MAX_USER_CONNECTIONS 1")
    run("none", f"GRANT ALL ON {database}.* TO {database}")
    through = url_of(database, f"mysql://{database}@127.0.0.1:{proxy.port}/none")
    few = MysqlStore(attrs.evolve(options, url=through))
    await few.open()
    rows, _ = await few.run(slow, Access.READ)
    assert rows == ((0,),)
    await few.close()
    run("none", f"DROP USER {database}")


async def test_a_server_that_takes_a_connection_and_says_nothing_is_unavailable(
    store: MysqlStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hasty:
        hasty.setattr("sp00ky_store_mysql.store.PATIENCE", 0.5)
        proxy.hold()
        with pytest.raises(StoreUnavailable, match="there is no answer"):
            await store.add([new_job()])
    proxy.let_go()
    await store.add([new_job()])


async def test_a_thread_of_another_client_is_not_ended_for_its_number(
    store: MysqlStore, connection: Any
) -> None:
    async def abandon(session: Session) -> None:
        session.thread = (connection.thread_id(), "elsewhere:1")  # type: ignore[attr-defined]  # after a restart
        await session.abandon()  # type: ignore[attr-defined]

    with pytest.raises(InterfaceError, match="Not connected"):
        await store.run(abandon, Access.WRITE)
    connection.ping(reconnect=False)
