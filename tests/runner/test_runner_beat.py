"""Who is held for dead: by what a runner has seen itself, and never for what the database did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.runner.beat import Beat
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.testing import FakeClock

START = datetime(2030, 1, 1, tzinfo=UTC)


class Table:
    """The table of runners, which another one beats in too; it may be away."""

    def __init__(self) -> None:
        self.other = START
        self.away = False
        self.answer: Callable[[], None] = lambda: None  # called before it answers

    async def beat(self, runner_id: str) -> Mapping[str, datetime]:
        if self.away:
            raise StoreUnavailable(store="here", problem="it is away")
        self.answer()
        return {runner_id: START, "other": self.other}


class Watching:
    """A runner that beats every 2 s, beside one that may."""

    def __init__(self) -> None:
        self.clock, self.table = FakeClock(START), Table()
        self.beat = Beat(self.table, RunnerOptions(clock=self.clock.monotonic, runner_id="self"))  # type: ignore[arg-type]  # the one call that a beat makes

    async def go_on(self, seconds: float, *, other_beats: bool = True) -> None:
        for _ in range(int(seconds / 2)):
            self.clock.advance(2)
            if other_beats and not self.table.away:
                self.table.other += timedelta(seconds=2)
            if self.table.away:
                with pytest.raises(StoreUnavailable):
                    await self.beat.beat()
            else:
                await self.beat.beat()


async def test_a_silent_runner_is_dead_after_six_seconds() -> None:
    watching = Watching()
    await watching.go_on(20)
    assert watching.beat.is_steady()
    await watching.go_on(4, other_beats=False)
    assert watching.beat.dead() == {}
    await watching.go_on(2, other_beats=False)
    assert watching.beat.dead() == {"other": watching.table.other}
    await watching.go_on(2)
    assert watching.beat.dead() == {}


async def test_a_database_that_is_away_makes_nobody_dead() -> None:
    watching = Watching()
    await watching.go_on(20)
    watching.table.away = True
    for _ in range(10):
        await watching.go_on(2)
        assert watching.beat.dead() == {}
    watching.table.away = False
    await watching.go_on(2)
    assert watching.beat.dead() == {}
    assert not watching.beat.is_steady()
    await watching.go_on(8)
    assert not watching.beat.is_steady()
    await watching.go_on(2)
    assert watching.beat.is_steady()


async def test_a_short_outage_after_a_missed_beat_makes_nobody_dead() -> None:
    """The other one had missed no more than a beat when the database went away."""
    watching = Watching()
    await watching.go_on(20)
    await watching.go_on(2, other_beats=False)
    watching.clock.advance(4)
    assert watching.beat.is_steady()
    assert watching.beat.dead() == {}


async def test_a_beat_is_as_old_as_its_call_however_late_the_reply_came() -> None:
    """The database may have written it at once: others count from there."""
    watching = Watching()
    await watching.go_on(20)
    claimed_at = watching.clock.monotonic()
    watching.table.answer = lambda: watching.clock.advance(5)
    await watching.beat.beat()
    assert not watching.beat.is_fresh()
    assert watching.beat.covers(claimed_at)
    watching.table.answer = lambda: None
    await watching.beat.beat()
    assert watching.beat.is_fresh()
    assert not watching.beat.covers(claimed_at)  # for 5 s others may have seen none
