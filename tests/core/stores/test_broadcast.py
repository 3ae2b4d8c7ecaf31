"""A broadcast that was closed ends its subscriptions; reopened, it wakes new ones."""

import asyncio

import pytest

from sp00ky_core.stores.broadcast import Broadcast


async def test_it_can_be_opened_again() -> None:
    broadcast = Broadcast()
    first = broadcast.subscribe()
    await anext(first)
    broadcast.close()
    with pytest.raises(StopAsyncIteration):
        await anext(first)

    broadcast.reopen()

    second = broadcast.subscribe()
    await anext(second)
    broadcast.send()
    await anext(second)
    await second.aclose()


async def test_a_wait_ends_with_a_signal_or_its_seconds_or_the_close() -> None:
    broadcast = Broadcast()
    await broadcast.wait(0.001)
    waiting = asyncio.create_task(broadcast.wait(60))
    await asyncio.sleep(0)
    broadcast.send()
    await waiting
    broadcast.close()
    await broadcast.wait(60)
