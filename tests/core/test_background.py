"""The event loop in a thread: started once, used by many threads, ended, and not carried over a fork."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Queue

import pytest

from sp00ky_core import Outbox
from sp00ky_core import sync as background_module
from sp00ky_core.errors import StoreClosed
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.sync import Background
from sp00ky_core.testing import outbox_over
from sp00ky_store_kit.memory import MemoryStore


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    tables = (JobTable(backend="api", table="job"),)
    return outbox_over(MemoryStore(StoreOptions(url="memory://", tables=tables)), tables, tmp_path)


def of_this_name() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sp00ky-outbox"]


def test_what_is_left_behind_ends_before_it_closes(outbox: Outbox) -> None:
    background, ended = Background(outbox), []

    async def work() -> None:
        ended.append(await outbox.find())

    background.leave(work())
    background.close()
    assert ended == [[]]
    with pytest.raises(StoreClosed):
        background.leave(work())


def test_what_swallows_its_end_is_left_behind(
    outbox: Outbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_module, "OBSERVER_TIMEOUT", 0.05)
    monkeypatch.setattr(background_module, "LAST_MOMENT", 0.05)
    background, loops, may_end = Background(outbox), Queue[asyncio.AbstractEventLoop](), asyncio.Event()

    async def swallow() -> None:
        loops.put(asyncio.get_running_loop())
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()

    background.leave(swallow())
    loop = loops.get(timeout=30)
    with ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(background.close).result(timeout=20)
        finally:
            loop.call_soon_threadsafe(may_end.set)
    for left in of_this_name():
        left.join(30)
    assert [record.getMessage() for record in caplog.records] == [
        "1 calls of observers don't end; they are left behind"
    ]


def test_a_call_of_another_thread_ends_with_it(outbox: Outbox) -> None:
    background, begun = Background(outbox), threading.Event()

    async def work(_: Outbox) -> None:
        begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(background.run, work)
        begun.wait()
        background.close()
        with pytest.raises(StoreClosed):
            call.result()
