"""Wake-up and live status: who is told, when nobody is, and behind a pooler."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_core.errors import StoreError
from sp00ky_core.job import JobStatus
from sp00ky_core.machine import Transition
from sp00ky_core.ports import JobQuery, Settlement
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.listen import CHANNEL
from sp00ky_store_postgres.watch import Trail


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


@asynccontextmanager
async def heard(dsn: str) -> AsyncIterator[list[str]]:
    """The payloads of the notifications that come."""
    connection = await asyncpg.connect(dsn)
    payloads: list[str] = []
    await connection.add_listener(CHANNEL, lambda *arguments: payloads.append(arguments[-1]))
    try:
        yield payloads
        await connection.fetch("SELECT 1")
    finally:
        await connection.close()


async def test_an_insert_of_any_language_wakes(store: PostgresStore, sql: Any, quoted: str) -> None:
    signals = store.work_signal()
    await anext(signals)
    await sql.execute(f"INSERT INTO {quoted}.job (path, payload) VALUES ('/a', '{{}}')")
    async with asyncio.timeout(5):
        await anext(signals)
    await signals.aclose()


async def test_a_transaction_notifies_once(
    store: PostgresStore, dsn: str, sql: Any, schema: str, new_job: Any
) -> None:
    async with heard(dsn) as payloads:
        async with sql.transaction():
            for _ in range(5):
                await store.add([new_job(), new_job()], connection=sql)
            await store.add([new_job(dedup_key="k")], connection=sql)
        await asyncio.sleep(0.05)
    assert payloads == [f"{schema}.job"]


async def test_an_insert_that_is_rolled_back_notifies_nobody(
    store: PostgresStore, dsn: str, sql: Any, new_job: Any
) -> None:
    async with heard(dsn) as payloads:
        transaction = sql.transaction()
        await transaction.start()
        await store.add([new_job()], connection=sql)
        await transaction.rollback()
        await sql.execute("SELECT pg_notify('sp00ky', 'last')")
        await asyncio.sleep(0.05)
    assert payloads == ["last"]


async def test_notify_off_sends_nothing_and_finds_jobs_by_asking(
    store: PostgresStore, make: Any, dsn: str, sql: Any, new_job: Any
) -> None:
    quiet = make(notify="off")
    await quiet.open()
    signals = quiet.work_signal()
    await anext(signals)
    async with heard(dsn) as payloads:
        await quiet.add([new_job()])
        await quiet.add([new_job(), new_job(max_retries=1)])
        async with sql.transaction():
            await quiet.add([new_job()], connection=sql)
        await quiet.kill([(await quiet.find(JobQuery()))[0].id])
    assert payloads == []
    async with asyncio.timeout(5):
        await anext(signals)
    assert await quiet.check() == []
    await signals.aclose()
    await quiet.close()


async def test_a_redrive_elsewhere_wakes(store: PostgresStore, make: Any, new_job: Any) -> None:
    (job,) = await store.add([new_job()])
    await store.kill([job.id])
    signals = store.work_signal()
    await anext(signals)
    other = make()
    await other.open()
    await other.redrive([job.id])
    async with asyncio.timeout(5):
        await anext(signals)
    await other.close()
    await signals.aclose()


async def test_a_change_elsewhere_is_seen_at_once(store: PostgresStore, make: Any, new_job: Any) -> None:
    """Both kinds of watches; the median is asked for, because the machine may be busy."""
    other = make()
    await other.open()
    for named in (True, False):
        delays = []
        for _ in range(10):
            (job,) = await other.add([new_job()])
            watch = store.watch(JobQuery(ids=(job.id,)) if named else JobQuery(path="/spookify"))
            while (await anext(watch)).id != job.id:
                pass
            following = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0.02)
            await other.claim({"api": 100}, "r1")
            claimed_at = time.monotonic()
            await following
            delays.append(time.monotonic() - claimed_at)
            await watch.aclose()
        assert statistics.median(delays) < 1.0
    await other.close()


async def test_a_late_commit_is_seen(store: PostgresStore, dsn: str, sql: Any, new_job: Any) -> None:
    """What a transaction wrote long before it committed."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    watch = store.watch(JobQuery(path="/late"))
    following = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.1)
    await store.add([new_job(path="/late")], connection=connection)
    await asyncio.sleep(1.3)  # longer than the overlap
    assert not following.done()
    await transaction.commit()
    async with asyncio.timeout(5):
        assert (await following).path == "/late"
    await watch.aclose()
    await connection.close()


def test_the_trail_stays_behind_what_is_running() -> None:
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    start = datetime(2026, 1, 1, tzinfo=UTC)
    trail = Trail()
    second = timedelta(seconds=1)
    assert trail.follow(start, []) == start - second
    assert (
        trail.follow(start + 10 * second, ["7"]) == start - second
    )  # it may have begun right after the first
    assert trail.follow(start + 20 * second, ["7", "8"]) == start - second
    assert trail.follow(start + 30 * second, ["8"]) == start + 9 * second
    assert trail.follow(start + 40 * second, []) == start + 39 * second
    assert Trail().follow(start, ["1"]) == start - 61 * second


async def test_watchers_of_named_jobs_share_their_questions(
    store: PostgresStore, new_job: Any, sql: Any
) -> None:
    jobs = await store.add([new_job() for _ in range(50)])
    watches = [store.watch(JobQuery(ids=(job.id,))) for job in jobs]
    assert {(await anext(watch)).id for watch in watches} == {job.id for job in jobs}
    following = [asyncio.ensure_future(anext(watch)) for watch in watches]
    await store.claim({"api": 100}, "r1")
    async with asyncio.timeout(10):
        assert {job.status for job in await asyncio.gather(*following)} == {JobStatus.PROCESSING}
    for watch in watches:
        await watch.aclose()


PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@pytest.fixture
def pooler(dsn: str) -> Iterator[str]:
    """PgBouncer in transaction mode, without prepared statements; two connections for everybody."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer isn't installed")
    server = urlsplit(dsn)
    host = parse_qs(server.query).get("host", [server.hostname or "127.0.0.1"])[0]
    database, user = server.path[1:] or "postgres", server.username or "postgres"
    with tempfile.TemporaryDirectory(prefix="sp00ky-pooler") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "users").write_text(f'"{user}" "{server.password or ""}"\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host={host} port={server.port or 5432} dbname={database} user={user}\n"
            f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {folder}\nauth_type = any\n"
            f"auth_file = {folder}/users\npool_mode = transaction\nmax_prepared_statements = 0\n"
            f"default_pool_size = 2\nlogfile = {folder}/log\n"
        )
        process = subprocess.Popen(
            [PGBOUNCER, str(folder / "ini")], stderr=subprocess.DEVNULL, user=account_for(host)
        )
        try:
            until = time.monotonic() + 10
            while not (folder / ".s.PGSQL.6432").exists():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.02)
            yield f"postgresql://{user}@/{database}?host={folder}&port=6432"
        finally:
            process.kill()  # a polite signal waits for clients
            process.wait(10)


def account_for(host: str) -> int | None:
    """Whom the pooler runs as: it refuses root, and has to reach the server's socket."""
    if os.geteuid() != 0:
        return None
    return Path(host).stat().st_uid if host.startswith("/") else pwd.getpwnam("nobody").pw_uid


async def lifecycle(store: PostgresStore, new_job: Any) -> None:
    """A bit of everything, several times and at once."""
    for _ in range(8):
        await store.add([new_job(), new_job()])
        await store.add([new_job(dedup_key="k")])
        jobs = await store.claim({"api": 2}, "r1")
        batch = [
            Settlement(
                job_id=job.id,
                backend="api",
                epoch=job.lease_epoch,
                transition=Transition(to=JobStatus.SUCCESS, retries=0),
            )
            for job in jobs
        ]
        results = await store.settle(batch)
        assert {each.fate for each in results} == {"settled"}
        await asyncio.gather(store.beat("r1"), store.stats(), store.find(JobQuery()), store.prune())


async def test_behind_a_pooler_everything_works(
    make: Any, pooler: str, url: str, schema: str, new_job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = make(base=pooler, schema=schema, pgbouncer="1", listen_url=url.partition("&schema")[0])
    await store.open()
    await store.migrate()
    assert await store.check() == []
    await lifecycle(store, new_job)
    signals = store.work_signal()
    await anext(signals)
    await store.add([new_job()])
    async with asyncio.timeout(5):
        await anext(signals)
    await signals.aclose()
    await store.close()


async def test_a_pooler_that_swallows_notifications_is_noticed(
    make: Any, pooler: str, schema: str, new_job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = make(base=pooler, schema=schema, pgbouncer="1")
    await store.open()
    await store.migrate()
    found = await store.check()
    assert [(each.subject, each.stops_jobs) for each in found] == [("LISTEN", False)]
    assert "listen_url" in found[0].mend
    with caplog.at_level(logging.WARNING):
        signals = store.work_signal()
        async with asyncio.timeout(10):
            await anext(signals)
    assert "listen_url" in caplog.text
    await store.add([new_job()])
    async with asyncio.timeout(5):
        await anext(signals)
    await signals.aclose()
    await store.close()


async def test_a_pooler_that_nobody_has_told_of_is_a_line(make: Any, pooler: str, schema: str) -> None:
    with pytest.raises(StoreError, match=r"pooler in transaction mode, add \?pgbouncer=1"):
        await make(base=pooler, schema=schema).open()
