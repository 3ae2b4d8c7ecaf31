"""While a queue drains, the numbers on the pages are those of the database, or say that they aren't exact."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import attrs
import pytest
from asyncpg import Connection  # type: ignore[import-untyped]  # it carries no types
from tests.dashboard.conftest import Browser, Open
from tests.dashboard.scene import opened
from tests.store_postgres.conftest import schema, sql, url

from sp00ky_conformance.store.harness import settlement
from sp00ky_core import NewJob, Outbox
from sp00ky_core.job.outcome import Delivered
from sp00ky_dashboard import render
from sp00ky_dashboard.observe import rates

__all__ = ["schema", "sql", "url"]  # fixtures

OLDEST = 2.0
"""Seconds: what is shown is never older."""

STATUSES = ("pending", "processing", "success", "failed")
TAB = re.compile(r">(all|pending|processing|success|failed) <span class=\"tab-count\">([\d,]+)(\+?)</span>")


Truth = tuple[float, dict[str, int]]
"""When a count began, and what it found."""


@attrs.frozen(kw_only=True)
class Shown:
    """What a browser has got.

    Attributes:
        asked: When it asked for the page.
        at: When it had it.
        numbers: Each, and whether it says that there are more.
    """

    asked: float
    at: float
    numbers: dict[str, tuple[int, bool]]


@pytest.fixture
async def outbox(url: str, tmp_path: Path) -> AsyncIterator[Outbox]:
    async with opened(tmp_path, url) as outbox:
        yield outbox


async def fill(outbox: Outbox, jobs: int) -> None:
    for start in range(0, jobs, 1_000):
        await outbox.run_many("api", [NewJob(path="/spookify", payload={})] * min(1_000, jobs - start))


async def drain(outbox: Outbox, jobs: int, looked: asyncio.Event) -> None:
    """Deliver all jobs, a quarter of them after each look."""
    for _ in range(4):
        await looked.wait()
        looked.clear()
        delivered = 0
        while delivered < jobs / 4 and (claimed := await outbox.store.claim({"api": 250}, "r1")):
            await outbox.store.settle([settlement(job, Delivered(result={})) for job in claimed])
            delivered += len(claimed)


async def watch(browser: Browser, looked: asyncio.Event) -> list[Shown]:
    """Look at a page as a browser does, again whenever the stream says so, until all are delivered."""
    seen = list[Shown]()

    async def look() -> None:
        asked, page = monotonic(), await browser.see("/jobs?backend=api")
        numbers = {name: (int(n.replace(",", "")), bool(more)) for name, n, more in TAB.findall(page)}
        seen.append(Shown(asked=asked, at=monotonic(), numbers=numbers))
        looked.set()

    async with browser.client.stream("GET", "/events") as stream:
        lines = stream.aiter_lines()
        await look()
        while any(seen[-1].numbers[status] != (0, False) for status in ("pending", "processing")):
            if await anext(lines) == "event: changed":
                await look()
    return seen


async def sample(connection: Connection[Any], schema: str, truth: list[Truth], ended: asyncio.Event) -> None:
    """Count again and again."""
    await connection.execute("SELECT set_config('search_path', quote_ident($1), false)", schema)
    while not ended.is_set():
        began = monotonic()
        rows = await connection.fetch("SELECT status, count(*) FROM job GROUP BY status")
        counts = dict.fromkeys(STATUSES, 0) | dict(rows)
        truth.append((began, counts | {"all": sum(counts.values())}))
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 0.05)


def assert_true(seen: list[Shown], truth: list[Truth], exact: int) -> None:
    """Each number that was shown at a time was true in the seconds before."""
    slowest = max(view.at - view.asked for view in seen)
    slowest += max(after - before for (before, _), (after, _) in pairwise(truth))
    until = [*(view.at for view in seen[1:]), truth[-1][0]]
    for shown, replaced in zip(seen, until, strict=True):
        for at in (shown.at, replaced):
            recent = [counts for when, counts in truth if at - OLDEST - 2 * slowest <= when <= at + slowest]
            for name, (number, more) in shown.numbers.items():
                true = [counts[name] for counts in recent]
                assert recent, at
                if more:
                    assert max(true) > exact == number, (name, number, true)
                else:
                    assert min(true) <= number <= max(true), (name, number, true)


@pytest.mark.parametrize(
    ("jobs", "exact"), [(4_000, 1_500), pytest.param(60_000, 10_000, marks=pytest.mark.slow)]
)
async def test_the_numbers_move_as_the_truth_does(
    open_browser: Open,
    outbox: Outbox,
    sql: Connection[Any],
    schema: str,
    monkeypatch: pytest.MonkeyPatch,
    jobs: int,
    exact: int,
) -> None:
    for module in (rates, render):
        monkeypatch.setattr(module, "EXACT", exact)
    await fill(outbox, jobs)
    browser, truth, looked, ended = await open_browser(), list[Truth](), asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        sampling = group.create_task(sample(sql, schema, truth, ended))
        group.create_task(drain(outbox, jobs, looked))
        seen = await watch(browser, looked)
        ended.set()
        await sampling
    assert_true(seen, truth, exact)
    assert len(seen) >= 4
    for name, sign in (("pending", -1), ("success", 1), ("all", 1)):
        numbers = [sign * (number + more) for number, more in (view.numbers[name] for view in seen)]
        assert numbers == sorted(numbers), name
