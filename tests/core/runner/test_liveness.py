"""Who is declared dead: by what a runner has seen itself, and never for what the database did."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.ports import RunnerBeat, RunnerInfo
from sp00ky_core.runner.liveness import Beat
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.testing import FakeClock

START = datetime(2030, 1, 1, tzinfo=UTC)

SERVING = RunnerInfo(documents={"api": "a digest"})


class Table:
    """The table of runners, which another one beats in too; it may be away."""

    def __init__(self) -> None:
        self.own = self.other = START
        self.info = RunnerInfo()
        self.away = False
        self.answer: Callable[[], None] = lambda: None  # called before it answers

    async def beat(self, runner_id: str, _info: RunnerInfo) -> Mapping[str, RunnerBeat]:
        if self.away:
            raise StoreUnavailable(store="here", problem="it is away")
        self.answer()
        return {runner_id: RunnerBeat(at=self.own), "other": RunnerBeat(at=self.other, info=self.info)}


class Watching:
    """A runner that beats every 2 s, beside one that may."""

    def __init__(self) -> None:
        self.clock, self.table = FakeClock(START), Table()
        options = RunnerOptions(clock=self.clock.monotonic, runner_id="self")
        self.beat = Beat(self.table, options, lambda: SERVING)  # type: ignore[arg-type]  # the one call that a beat makes

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


async def test_a_beat_is_as_old_as_its_call_however_late_the_reply_came() -> None:
    """The database may have written it at once: others count from there."""
    watching = Watching()
    await watching.go_on(20)
    claimed_at = watching.clock.monotonic()
    watching.table.answer = lambda: watching.clock.advance(5)
    await watching.beat.beat()
    assert not watching.beat.is_fresh()
    assert watching.beat.since <= claimed_at
    watching.table.answer = lambda: None
    await watching.beat.beat()
    assert watching.beat.is_fresh()
    assert watching.beat.since > claimed_at  # for 5 s others may have seen none


@pytest.mark.parametrize(
    ("info", "place"),
    [
        (SERVING, (1, 2)),
        (RunnerInfo(), (0, 1)),
        (RunnerInfo(documents={"api": "another one's"}), (0, 1)),
        (RunnerInfo(documents=SERVING.documents, draining=True), (0, 1)),
    ],
)
async def test_a_place_is_among_those_that_share_the_work(info: RunnerInfo, place: tuple[int, int]) -> None:
    watching = Watching()
    assert watching.beat.place("api") == (0, 1)
    watching.table.info = info
    await watching.go_on(2)
    assert watching.beat.place("api") == place
    assert watching.beat.place("mail") == (0, 1)


async def test_who_beats_no_more_has_no_place_from_the_first_look_on() -> None:
    watching = Watching()
    watching.table.info, watching.table.own = SERVING, START + timedelta(seconds=7)
    await watching.go_on(2, other_beats=False)
    assert watching.beat.place("api") == (0, 1)
