"""Coroutines without an event loop."""

from __future__ import annotations

import asyncio

import pytest

from sp00ky_core.stores.callers import finished


async def twice(number: int) -> int:
    return number * 2


async def nested(number: int) -> int:
    return await twice(await twice(number))


async def waits() -> None:
    await asyncio.sleep(0)


async def fails() -> None:
    raise ZeroDivisionError


def test_what_never_waits_is_finished() -> None:
    assert finished(nested(3)) == 12
    with pytest.raises(ZeroDivisionError):
        finished(fails())


def test_what_waits_is_named() -> None:
    with pytest.raises(RuntimeError, match="awaited something besides its session"):
        finished(waits())
