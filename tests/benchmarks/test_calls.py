"""Calls are counted as often as a frame is entered, a coroutine's also when it is resumed."""

from __future__ import annotations

import asyncio

from benchmarks.calls import counting_calls


def called() -> None:
    """Do nothing."""


async def resumed() -> None:
    await asyncio.sleep(0)


async def test_each_entry_of_a_frame_counts_and_none_after_the_end() -> None:
    with counting_calls() as calls:
        called()
        called()
        await resumed()
    called()
    assert (calls[called.__code__], calls[resumed.__code__]) == (2, 2)
