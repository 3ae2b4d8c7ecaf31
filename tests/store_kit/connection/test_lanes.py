"""Transactions that go on to their end, whatever becomes of their callers."""

import asyncio
from typing import Any

import pytest

from sp00ky_core.errors import RowRefused, StoreClosed
from sp00ky_store_kit import Access
from sp00ky_store_kit.connection.lanes import Executor


def refused(error: Exception) -> Exception:
    return RowRefused(store="test", problem=str(error))


class TestExecutor:
    async def test_a_transaction_outlives_its_caller(self) -> None:
        begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def run(_work: Any, _access: Access) -> None:
            begun.set()
            await may_end.wait()
            ended.set()

        executor = opened(run)
        call = asyncio.ensure_future(executor.do(_no_work, Access.WRITE, claims=True))
        await begun.wait()
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        waiting = [asyncio.ensure_future(ends()) for ends in (executor.claims_ended, executor.close)]
        await asyncio.sleep(0)
        assert not any(future.done() for future in waiting)
        may_end.set()
        await asyncio.gather(*waiting)
        assert ended.is_set()

    async def test_a_closed_one_takes_no_work_and_says_where(self) -> None:
        async def run(_work: Any, _access: Access) -> None:
            raise AssertionError("nothing may run")

        executor = opened(run)
        await executor.close()
        for do in (executor.read, executor.write):
            with pytest.raises(StoreClosed, match="test://"):
                await do(_no_work)

    async def test_what_is_held_back_goes_to_a_callers_connection_at_the_end_of_the_work(self) -> None:
        written: list[str] = []

        class Buffering:
            """Holds back what is written."""

            async def join(self) -> None:
                written.append("joined")

            async def insert(self) -> None:
                self.held = "row"

            async def leave(self) -> None:
                written.append(self.held)

        async def work(session: Any) -> int:
            await session.insert()
            return len(written)

        executor = opened(_no_work)
        assert await executor.within(Buffering(), work) == 1  # type: ignore[arg-type]  # it has its calls
        assert written == ["joined", "row"]


def opened(run: Any) -> Executor:
    executor = Executor(run, refused, lambda: "test://")
    executor.open()
    return executor


async def _no_work(_session: Any) -> None:
    pass
