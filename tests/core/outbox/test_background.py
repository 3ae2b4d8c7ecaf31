"""The event loop in a thread: started once, used by many threads, ended, and not carried over a fork."""

import asyncio
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from sp00ky_core import Outbox
from sp00ky_core.errors import StoreClosed
from sp00ky_core.outbox import sync_outbox as background_module
from sp00ky_core.outbox.sync_outbox import Background
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.testing import outbox_over


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    tables = (JobTable(backend="api", table="job"),)
    return outbox_over(MemoryStore(StoreOptions(url="memory://", tables=tables)), tables, tmp_path)


def of_this_name() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sp00ky-outbox"]


def test_many_threads_share_one_loop(outbox: Outbox) -> None:
    background = Background(outbox)
    assert of_this_name() == []
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: background.run(lambda outbox: outbox.find()), range(50)))
    assert found == [[]] * 50
    assert len(of_this_name()) == 1
    background.close()
    background.close()
    assert of_this_name() == []


def test_a_closed_one_says_so_until_it_is_opened_again(outbox: Outbox) -> None:
    background = Background(outbox)
    background.close()
    with pytest.raises(StoreClosed, match="with SyncOutbox"):
        background.run(lambda outbox: outbox.find())
    background.reopen()
    assert background.run(lambda outbox: outbox.find()) == []
    background.close()


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


def in_the_child(background: Background, said: Any) -> None:
    try:
        background.run(lambda outbox: outbox.find())
    except StoreClosed as error:
        said.put(str(error))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # that is what is tested
def test_a_forked_process_is_told_to_open_its_own(outbox: Outbox) -> None:
    background = Background(outbox)
    background.run(lambda outbox: outbox.find())
    context = multiprocessing.get_context("fork")
    said = context.Queue()
    process = context.Process(target=in_the_child, args=(background, said))
    process.start()
    assert "open a SyncOutbox in each process" in said.get(timeout=30)
    process.join()
    background.close()
