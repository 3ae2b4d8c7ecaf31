"""Sessions: their names, their bounds, and what becomes of them when a side is gone."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from typing import Any

import pytest

from sp00ky_conformance.cancellation import turns
from sp00ky_conformance.store.harness import eventually
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connection.connect import GIVE_UP_SECONDS, Workload, application_name, connect


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
async def test_a_statement_that_nobody_waits_for_is_cancelled_on_the_server(
    store: PostgresStore, sql: Any, how: str
) -> None:
    marked = f"SELECT pg_sleep(600) /* {store.location} {how} */"
    at_it = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
    asleep = f"{at_it} AND wait_event = 'PgSleep'"  # it forgets a request that comes before the statement

    async def work(connection: Any) -> None:
        await connection.fetch(marked, timeout=600 if how == "cancelled" else 5)

    async def is_over() -> bool:
        return not await sql.fetchval(at_it, marked)

    call = asyncio.ensure_future(store._executor.run(Workload.REST, work, patience=0))
    if how == "cancelled":
        await eventually(lambda: sql.fetchval(asleep, marked))
        call.cancel()
    await asyncio.wait([call])
    await eventually(is_over)


async def test_the_server_gives_up_what_a_client_that_is_gone_has_sent(
    store: PostgresStore, make: Any
) -> None:
    async def bound(store: PostgresStore, lane: Workload) -> str:
        return (await store._executor.fetch(lane, "SHOW statement_timeout"))[0][0]

    assert (await bound(store, Workload.SETTLE), await bound(store, Workload.REST)) == ("7s", "62s")
    tighter = make(statement_timeout="3s")
    await tighter.open()
    assert await bound(tighter, Workload.REST) == "3s"
    await tighter.close()


@pytest.mark.parametrize("host", ["h", "a" * 200, "hôte", "x y"])
def test_a_process_is_named_by_its_host_and_pid(host: str) -> None:
    name = application_name(host, 4_194_304)
    assert len(name.encode()) <= 63
    assert name.startswith("sp00ky " + host[:1])
    assert name.endswith(" 4194304")


async def test_a_connection_says_whose_it_is(store: PostgresStore) -> None:
    rows = await store._executor.fetch(Workload.REST, "SHOW application_name")
    assert rows[0][0] == application_name(socket.gethostname(), os.getpid())


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this platform has no such option")
async def test_the_kernel_gives_up_a_peer_that_is_gone(make: Any, through: str) -> None:
    store: PostgresStore = make(base=through)
    await store.open()
    lone = await connect(through)
    for connection in (store._executor._pools[Workload.REST]._idle[0][1], lone):
        carrier = connection._transport.get_extra_info("socket")
        assert carrier.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        timeout = carrier.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == GIVE_UP_SECONDS * 1_000
        assert carrier.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
    await lone.close()
    await store.close()


async def test_callers_that_are_cancelled_while_they_connect_leave_nothing_behind() -> None:
    """Over TCP, where the driver asks for TLS first, of a server that says nothing and hangs up."""
    loop, complaints = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    for count in range(20):
        connecting = asyncio.create_task(connect(f"postgresql://u@127.0.0.1:{port}/app"))
        await turns(count)
        connecting.cancel()
        await asyncio.wait([connecting])
    async with asyncio.timeout(60):
        while left := asyncio.all_tasks() - before:
            await asyncio.wait(left)
    listening.close()
    gc.collect()
    assert complaints == []
