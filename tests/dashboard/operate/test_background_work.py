import asyncio
from collections.abc import AsyncGenerator

import pytest

from sp00ky_core import BulkResult
from sp00ky_core.errors import StoreUnavailable
from sp00ky_dashboard.operate.background_work import MOST_KEPT, BulkWork


async def steps(*results: BulkResult, error: Exception | None = None) -> AsyncGenerator[BulkResult, None]:
    for result in results:
        yield result
    if error:
        raise error


async def test_an_operation_says_how_far_it_came(caplog: pytest.LogCaptureFixture) -> None:
    work = BulkWork()
    error = StoreUnavailable(store="memory://", problem="it is away")
    operation = work.start("killed", steps(BulkResult(matched=3), BulkResult(matched=3, done=2), error=error))
    await operation.task
    assert operation.task.done()
    assert operation.result == BulkResult(matched=3, done=2)
    assert operation.problem is not None
    operation = work.start("killed", steps(error=RuntimeError("secret")))
    await operation.task
    assert (operation.problem, caplog.messages) == (
        "this is a bug: the server's log says more",
        ["jobs were to be killed"],
    )


async def test_an_interrupted_one_says_so() -> None:
    begun = asyncio.Event()

    async def forever() -> AsyncGenerator[BulkResult, None]:
        yield BulkResult(matched=3, done=1)
        begun.set()
        await asyncio.Event().wait()

    work = BulkWork()
    operation = work.start("killed", forever())
    await begun.wait()
    await work.close()
    assert operation.task.done()
    assert "interrupted" in str(operation.problem)


async def test_only_the_latest_are_kept() -> None:
    work = BulkWork()
    for _ in range(MOST_KEPT + 10):
        operation = work.start("killed", steps(BulkResult(matched=0)))
        await operation.task
    assert len(work.operations) <= MOST_KEPT
