"""The embedded file: one process at a time, and what was written is there after a crash."""

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.errors import StoreInUse
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection import embedded_engine

HOLDER = """
import asyncio, sys
from pathlib import Path
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_surreal import SurrealStore

async def main():
    table = JobTable(backend="api", table="job")
    folder = Path(sys.argv[1])
    store = SurrealStore(StoreOptions(url="surrealkv://jobs.db", tables=(table,), directory=folder))
    await store.open()
    await store.migrate()
    await store.add([NewJob(path="/a", backend="api") for _ in range(20)])
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_another_process_is_told_so_and_a_crash_loses_nothing(
    make_store: Callable[..., SurrealStore], tmp_path: Path
) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    store = make_store("surrealkv://jobs.db")
    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"ready\n"
        with pytest.raises(StoreInUse, match="another process"):
            await store.open()
    finally:
        holder.kill()
        await holder.wait()
    await store.open()
    assert len(await store.find(JobQuery())) == 20
    await store.close()


async def test_a_closed_store_opens_again_with_its_jobs(make_store: Callable[..., SurrealStore]) -> None:
    store = make_store("surrealkv://deep/jobs.db")
    for count in range(3):
        await store.open()
        await store.open()
        await store.migrate()
        await store.add([NewJob(path="/a", backend="api")])
        assert len(await store.find(JobQuery())) == count + 1
        await store.close()
        await store.close()


FULL = """
import asyncio, logging, resource, sys
from pathlib import Path
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_store_surreal import SurrealStore

def allow(bytes_a_file):
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, resource.RLIM_INFINITY))

async def added(store):
    try:
        return await store.add([NewJob(path="/a", backend="api", payload={"text": "x" * 9_000})])
    except StoreUnavailable:
        return None

async def main():
    table = JobTable(backend="api", table="job")
    folder = Path(sys.argv[1])
    store = SurrealStore(StoreOptions(url="surrealkv://jobs.db", tables=(table,), directory=folder))
    await store.open()
    await store.migrate()
    await added(store)
    largest = max(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    allow(largest + 1_000)
    tried = [await added(store) for _ in range(2)]
    assert tried[0] is None  # the second one too, unless the engine has begun another file by then
    allow(resource.RLIM_INFINITY)
    async with asyncio.timeout(60):
        while await added(store) is None:
            await asyncio.sleep(0.05)
    print(len(await store.find(JobQuery())) - len([job for job in tried if job]))
    await store.close()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has no limit for files")
async def test_a_full_disk_that_is_freed_needs_no_new_process(tmp_path: Path) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FULL, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await writer.communicate()
    assert (writer.returncode, out) == (0, b"2\n")


async def test_closing_waits_for_a_thread_that_still_replies(
    make_store: Callable[..., SurrealStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would abort the process if the interpreter ended before."""
    loop: Any = asyncio.get_running_loop()
    here, looked, seen = threading.get_ident(), threading.Event(), []
    wake, is_any_replying = loop._write_to_self, embedded_engine._is_any_replying

    def wake_and_stand_still() -> None:
        wake()
        if threading.get_ident() != here:
            looked.wait(60)

    def look() -> bool:
        seen.append(is_any_replying())
        looked.set()
        return seen[-1]

    store = make_store()
    await store.open()
    monkeypatch.setattr(loop, "_write_to_self", wake_and_stand_still)
    monkeypatch.setattr(embedded_engine, "_is_any_replying", look)
    await store.close()
    assert (seen[0], seen[-1]) == (True, False)


async def test_a_cancelled_claim_keeps_its_turn_until_it_is_done(make_migrated: Any) -> None:
    store = await make_migrated()
    await store.add([NewJob(path="/a", backend="api") for _ in range(50)])
    claim = asyncio.ensure_future(store.claim({"api": 50}, "r"))
    await asyncio.sleep(0)
    claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    assert len(await store.release("r", keep=())) in {0, 50}
    assert len(await store.claim({"api": 50}, "r2")) == 50


async def test_the_lock_is_its_owners_alone(make_store: Callable[..., SurrealStore], tmp_path: Path) -> None:
    store = make_store("surrealkv://jobs.db")
    await store.open()
    assert (tmp_path / "jobs.db.lock").stat().st_mode & 0o777 == 0o600
    await store.close()


async def test_another_users_lock_is_named(
    make_store: Callable[..., SurrealStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(embedded_engine.FileLock, "acquire", refuse)
    with pytest.raises(StoreInUse) as caught:
        await make_store("surrealkv://jobs.db").open()
    assert f"{tmp_path / 'jobs.db.lock'} belongs to another user" in str(caught.value)
    assert "\n" not in str(caught.value)
