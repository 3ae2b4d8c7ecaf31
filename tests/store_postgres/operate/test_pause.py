"""Pauses are seen by claims at once, and by those who ask whether there is work."""

from __future__ import annotations

import math
from typing import Any

from sp00ky_store_postgres import PostgresStore


async def test_a_very_long_pause_ends_within_every_calendar(store: PostgresStore, new_job: Any) -> None:
    await store.add([new_job()])
    assert await store.pause("api", seconds=1e30)
    paused = (await store.stats())["api"].paused
    assert paused is not None
    assert paused.until is not None
    assert (await store.claim({"api": 1}, "r1")).paused["api"] < math.inf
