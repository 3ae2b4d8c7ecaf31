"""How fast jobs are delivered, over HTTP and with nothing sent, beside a loop fused by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.inprocess import OURS, counted, ours
from benchmarks.measure import Sample, in_turns, median_ratio, nothing
from benchmarks.project import SLOTS, fill, opened, without_sending
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.server import backend
from benchmarks.setting import Setting
from benchmarks.surreal.byhand import deliver_by_hand
from benchmarks.surreal.database import Surreal, surreal
from sp00ky_core import Outbox

__all__ = ["over_http", "noop"]

BY_HAND = "claims, POSTs and settles fused by hand"
SINCE = "measured from when a quarter is done"


async def over_http(setting: Setting) -> Section:
    jobs = setting.count(10_000, 500)
    with backend() as target, surreal(on_files=True) as server:
        contenders = {
            BY_HAND: counted(lambda: _by_hand(server, target.url, jobs, sending=True), target, jobs),
            OURS: counted(lambda: _ours(server, target.url, jobs, sending=True), target, jobs),
        }
        samples = await in_turns(contenders, setting.rounds, before=nothing)
    note = f"{jobs:,} jobs a round, {SLOTS} at a time, to {target.kind}; {server.kind} engine; {SINCE}."
    return _section("SurrealDB: HTTP delivery", "HTTP delivery to the fused loop", samples, note)


async def noop(setting: Setting) -> Section:
    jobs = setting.count(10_000, 500)
    with surreal(on_files=True) as server:
        contenders = {
            BY_HAND: lambda: _by_hand(server, NOWHERE, jobs, sending=False),
            OURS: lambda: _ours(server, NOWHERE, jobs, sending=False),
        }
        samples = await in_turns(contenders, setting.rounds, before=nothing)
    note = f"{jobs:,} jobs a round, claimed and settled, with nothing between; {server.kind} engine; {SINCE}."
    return _section("SurrealDB: no-op jobs", "no-op jobs to the fused loop", samples, note)


NOWHERE = "http://127.0.0.1:9"


async def _by_hand(server: Surreal, target: str, jobs: int, *, sending: bool) -> Sample:
    async with _database(server, target, sending=sending) as (url, outbox):
        await fill(outbox, jobs)
        return await deliver_by_hand(url, target if sending else None, jobs)


async def _ours(server: Surreal, target: str, jobs: int, *, sending: bool) -> Sample:
    async with _database(server, target, sending=sending) as (_, outbox):
        return await ours(outbox, jobs)


@asynccontextmanager
async def _database(server: Surreal, target: str, *, sending: bool) -> AsyncIterator[tuple[str, Outbox]]:
    """A new one, for a table that was emptied would keep traces of its rows."""
    plugins = None if sending else without_sending()
    async with server.database() as url, opened(store=url, base_url=target, plugins=plugins) as outbox:
        yield url, outbox


def _section(title: str, what: str, samples: dict[str, list[Sample]], note: str) -> Section:
    ratio = median_ratio(samples, OURS, BY_HAND)
    return Section(
        title=title,
        rows=rate_rows(samples, BY_HAND),
        bounds=[Bound(what=f"SurrealDB: {what}", measured=ratio, at_least=0.85)],
        note=note,
        rounds=samples,
    )
