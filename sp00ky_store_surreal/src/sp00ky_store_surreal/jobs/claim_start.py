"""Choose where a claim starts, so that it reads little and rarely collides with others.

On files a claimed job leaves a mark in the index, which costs every search from the beginning 0.5 to 1.5 µs
for good: 100 ms after 120,000 jobs. So the first due job is looked up now and then, as often as that costs
little, and nearly every claim starts from where it was.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from sp00ky_core.ports import JobTable, RunnerBeat
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.embedded_or_server import RANKS
from sp00ky_store_surreal.surql.loader import quoted, surql

ADVANCE = 0.5
"""Seconds between two searches from the head that is known, while there is work."""

SEARCH_SHARE = 20
"""A search from the beginning is followed by none for so many times its duration."""

SHORTEST = 1.0
"""Seconds for which a search from the beginning is followed by none, at least."""

CHEAP = 0.05
"""Seconds of a search from the beginning that may follow every claim that finds nothing."""

LATE = timedelta(seconds=1)
"""How much later than their ``run_at`` jobs are reckoned to be committed."""

_EARLY = datetime(1, 1, 2, tzinfo=UTC)


@attrs.define(kw_only=True)
class _Head:
    at: datetime | None = None  # none: not known, or the first due job has no run_at that Python has
    searched: float = float("-inf")  # when, from the beginning
    advanced: float = float("-inf")
    costs: deque[float] = attrs.field(factory=lambda: deque(maxlen=3))

    @property
    def cost(self) -> float:
        return min(self.costs, default=0.0)  # one that is long by chance says nothing


class Heads:
    """Keeps the heads of a store's tables, one for each priority: where the first due job is.

    Jobs due earlier than a head are found by the next search. An embedded database has no heads, and its
    claims start at the beginning.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._are_kept = not connection.target.embedded
        self._heads: dict[tuple[str, int], _Head] = {}

    def at(self, table: JobTable, rank: int = 0) -> datetime | None:
        """Return where to start; None: at the beginning."""
        return self._of(table, rank).at

    def forget(self) -> None:
        """Start at the beginning again: a job may be due earlier than was known."""
        for head in self._heads.values():
            head.at = None

    def search_is_due(self, table: JobTable, rank: int = 0) -> bool:
        """Whether the last search is so long ago that another costs little."""
        head = self._of(table, rank)
        pause = max(SHORTEST, SEARCH_SHARE * head.cost)
        return self._are_kept and time.monotonic() - head.searched >= pause

    async def keep_up(self, table: JobTable, rank: int = 0) -> None:
        """Search before a claim, if it is time to."""
        head = self._of(table, rank)
        if self._are_kept and (head.at is None or self.search_is_due(table, rank)):
            await self._search(table, rank, head)
        elif self._are_kept and time.monotonic() - head.advanced >= ADVANCE:
            await self._advance(table, rank, head)

    async def all_kept_up(self, table: JobTable) -> dict[int, datetime | None]:
        """Search as ``keep_up`` does, for each priority; return where to start."""
        for rank in RANKS:
            await self.keep_up(table, rank)
        return {rank: self.at(table, rank) for rank in RANKS}

    async def found_nothing(self, table: JobTable, rank: int = 0) -> bool:
        """Search after a claim that found nothing; return whether there is something before the head."""
        head = self._of(table, rank)
        if head.at is None or not (head.cost < CHEAP or self.search_is_due(table, rank)):
            return False
        before = head.at
        await self._search(table, rank, head)
        return head.at is None or head.at < before

    async def is_due(self, table: JobTable, rank: int = 0) -> bool:
        """Whether the first job from the head on is due, as far as that is known."""
        if not self._are_kept:
            return True
        now, instants = await self._first(table, rank, self.at(table, rank))
        return bool(instants) and not (isinstance(instants[0], datetime) and instants[0] > now)

    async def _search(self, table: JobTable, rank: int, head: _Head) -> None:
        began = time.monotonic()
        now, instants = await self._first(table, rank)
        head.searched = head.advanced = time.monotonic()
        head.costs.append(head.searched - began)
        first = instants[0] if instants else now
        head.at = _from(min(first, now - LATE) if isinstance(first, datetime) else first)

    async def _advance(self, table: JobTable, rank: int, head: _Head) -> None:
        _, instants = await self._first(table, rank, head.at)
        head.advanced = time.monotonic()
        if instants:
            head.at = _from(instants[0])

    async def _first(
        self, table: JobTable, rank: int, head: datetime | None = None
    ) -> tuple[datetime, list[Any]]:
        """Read the database's clock, and when the first pending job is due: from a head on, or at all."""
        names = {"table": quoted(table.table), "group": self._connection.dialect.group(rank)}
        statement = surql("cursor_first_due" if head is None else "cursor_next_due", **names)
        now, instants = (await self._connection.read(statement, head=head))[-1]
        return now, instants

    def _of(self, table: JobTable, rank: int) -> _Head:
        return self._heads.setdefault((table.table, rank), _Head())


def _from(instant: object) -> datetime | None:
    """Return a bound that is before an instant in an index too, which has instants as text (3.3).

    There a whole second is after its fractions, and three digits are after six that begin with them.
    None where nothing in Python's calendar is before it: a claim then starts at the beginning.
    """
    if not isinstance(instant, datetime) or instant < _EARLY:  # none, or beyond the calendar
        return None
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000) - timedelta(microseconds=1)


class Groups:
    """Knows whether the last claims have seen jobs with a priority or an ordering_key.

    A table without such jobs costs a claim one look at an index.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._ordered: set[str] = set()
        self._after: dict[str, str] = {}

    def are_in(self, table: JobTable) -> bool:
        """Whether the last claim has seen a waiting job with a priority or an ordering_key."""
        return table.table in self._seen

    def are_ordered(self, backend: str) -> bool:
        """Whether a claim has ever taken a job that may have an ordering_key."""
        return backend in self._ordered

    def after(self, table: JobTable) -> str:
        """Return the ordering_key behind which the next search begins: each sees other ones first."""
        return self._after.get(table.table, "")

    def note(self, table: JobTable, chosen: Mapping[str, Any]) -> bool:
        """Take note of what a claim has seen; return whether it has left all of it for the next one."""
        is_news = chosen["any"] and table.table not in self._seen
        if chosen["any"]:
            self._seen.add(table.table)
            self._ordered.add(table.backend)
        else:
            self._seen.discard(table.table)
        if chosen.get("after") is not None:
            self._after[table.table] = chosen["after"]
        return bool(is_news)


WINDOW = 1_000
"""Jobs from the head of the queue among which runners that compete claim."""

ROOM = 4
"""A claim takes a fourth of the jobs from its runner's place to the next one's, for the places move on with
what is claimed before them: of four runners' claims of all of these 14 % collided, of a fourth 6 %."""

FEWEST = 25
"""Jobs that a claim may ask for however large the fleet is: a statement has a price of its own."""

LIVELY = timedelta(seconds=10)
"""A runner whose last beat is older isn't reckoned with."""


class Peers:
    """Knows the places of this store's runners among all, by their beats."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._most: dict[str, int] = {}

    def seen(self, runner_id: str, beats: Mapping[str, RunnerBeat]) -> None:
        """Take note of all runners' last beats, as a runner has read them."""
        if runner_id not in beats:
            return
        since = beats[runner_id].at - LIVELY
        lively = sorted(runner for runner, beat in beats.items() if beat.at >= since)
        apart = WINDOW // len(lively)
        self._places[runner_id] = lively.index(runner_id) * apart
        self._most[runner_id] = max(apart // ROOM, FEWEST) if len(lively) > 1 else WINDOW

    def most(self, runner_id: str) -> int:
        """Return how many jobs a claim may ask for: fewer where runners compete."""
        return self._most.get(runner_id, WINDOW)

    def start(self, runner_id: str, count: int) -> int:
        """Return how many due jobs a claim of ``count`` passes over, at most; 0 for a lone runner."""
        return min(self._places.get(runner_id, 0), max(WINDOW - count, 0))
