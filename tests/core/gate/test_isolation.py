"""Each route of a backend on its own: what happens to one holds up no other."""

from __future__ import annotations

import attrs
import pytest

from sp00ky_core.config import BreakerConfig, RateConfig
from sp00ky_core.gate.isolation import (
    LINE,
    LONGEST_REST,
    LONGEST_WAIT,
    SLOW,
    SOONER,
    TOLD_AGAIN,
    Isolation,
    PutOff,
    RouteLimits,
)
from sp00ky_core.gate.route import FIRST_TOOK
from sp00ky_core.gate.routes import MOST_ROUTES, Routes
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import CONNECT, HTTP_STATUS, THROTTLED, Delivered, Outcome, Undelivered

REFUSED = Undelivered(name=CONNECT)
SLOW_DOWN = Undelivered(name=THROTTLED, code=429)
LEASE = 15.0


@attrs.define
class World:
    """Routes, a clock, and jobs."""

    routes: Routes
    isolation: Isolation
    news: list[None]
    now: float = 1000.0
    made: int = 0

    def job(self, path: str = "/a") -> Job:
        self.made += 1
        return Job(
            id=f"job:{self.made}", backend="hooks", path=path, payload_json=b"{}", status=JobStatus.PROCESSING
        )

    def begin(self, path: str = "/a") -> Job:
        """Begin an attempt that nothing holds up."""
        job = self.job(path)
        assert self.routes.wait(job, self.now) == 0
        return job

    def wait(self, path: str = "/a") -> float:
        return self.routes.wait(self.job(path), self.now)

    def end(self, job: Job, outcome: Outcome, *, asked: float = 0.0, took: float = 0.1) -> float:
        started_at = self.now - took
        return self.routes.note(job, outcome, self.now, started_at=started_at, asked=asked).rests

    def made_of(self, outcome: Outcome, path: str = "/a", **given: float) -> float:
        return self.end(self.begin(path), outcome, **given)

    def open(self, path: str = "/a") -> None:
        for _ in range(3):
            self.made_of(REFUSED, path)


def world(limits: RouteLimits | None = None, *, concurrency: int = 100) -> World:
    news: list[None] = []
    isolation = Isolation(concurrency=concurrency, news=lambda: news.append(None))
    if limits is not None:
        isolation.limits = lambda _route: limits
    config = BreakerConfig(failures=3, interval=1.0)
    routes = Routes(backend="hooks", config=config, probe_lease=LEASE, isolation=isolation)
    return World(routes, isolation, news)


def test_a_dead_route_is_shut_and_others_are_not() -> None:
    w = world()
    w.open()
    assert w.wait() == pytest.approx(1.0)
    assert w.wait("/b") == 0


def test_the_waiting_jobs_of_a_shut_route_are_put_off_once() -> None:
    w = world()
    w.open()
    assert [w.wait() for _ in range(3)] == [pytest.approx(1.0)] * 3
    assert w.isolation.take_put_off() == [PutOff(route="/a", seconds=pytest.approx(1.0))]
    assert len(w.news) == 1
    w.now += TOLD_AGAIN
    w.wait()
    assert [put_off.seconds for put_off in w.isolation.take_put_off()] == [pytest.approx(0.5)]


def test_one_job_is_the_probe_and_its_answer_opens_the_route() -> None:
    w = world()
    w.open()
    w.now += 1.0
    probe = w.begin()
    assert w.wait() > 0
    w.end(probe, Delivered())
    assert w.wait() == 0


def test_a_probe_that_was_never_sent_is_followed_by_another() -> None:
    w = world()
    w.open()
    w.now += 1.0
    probe = w.begin()
    w.routes.unsent(probe, w.now)
    w.begin()


def test_a_route_that_stays_shut_has_one_job_looked_at_soon_and_others_late() -> None:
    w = world()
    w.open()
    w.wait()
    for _ in range(40):
        w.now += 31.0
        w.made_of(REFUSED)
    soon, late = w.wait(), w.wait()
    assert soon <= 30.0
    assert late == LONGEST_WAIT


def test_the_pause_that_a_route_asks_for_is_its_own() -> None:
    w = world()
    assert w.made_of(SLOW_DOWN, asked=3600.0) == 3600.0
    assert w.wait() == pytest.approx(3600.0)
    assert w.wait("/b") == 0
    w.now += 3600.0
    assert w.wait() == 0


def test_a_route_that_throttles_without_saying_for_how_long_rests_longer_each_time() -> None:
    w = world()
    rests = []
    for _ in range(4):
        rests.append(w.made_of(SLOW_DOWN))
        w.now += rests[-1]
    assert rests == [1.0, 2.0, 4.0, 8.0]
    w.made_of(Delivered())
    assert w.made_of(SLOW_DOWN) == 1.0


def test_a_routes_rate_is_its_own_and_those_that_wait_come_in_turn() -> None:
    w = world(RouteLimits(rate=RateConfig(limit=10, per=1.0, burst=2), max_in_flight=100))
    w.made_of(Delivered())
    w.made_of(Delivered())
    assert [w.wait() for _ in range(3)] == [pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.3)]
    assert w.wait("/b") == 0
    w.now += 0.1
    assert w.wait() == 0


def test_a_route_takes_so_many_places_and_no_more() -> None:
    w = world(RouteLimits(max_in_flight=2))
    w.made_of(Delivered(), took=FIRST_TOOK)
    first, _ = w.begin(), w.begin()
    waits = [w.wait(), w.wait()]
    assert waits == [pytest.approx(FIRST_TOOK / 2), pytest.approx(FIRST_TOOK)]
    w.end(first, Delivered())
    w.begin()


def test_a_long_line_is_put_off_together_one_after_the_other() -> None:
    w = world(RouteLimits(max_in_flight=1))
    w.begin()
    while not w.news:
        w.wait()
    (put_off,) = w.isolation.take_put_off()
    assert put_off.seconds > LINE
    assert put_off.after(0) == put_off.seconds
    assert put_off.after(100_000) == pytest.approx(put_off.seconds + 100_000 * put_off.spacing / SOONER)
    assert put_off.after(10**9) == LONGEST_REST


def test_a_request_that_hangs_keeps_the_next_from_being_sent() -> None:
    w = world()
    w.made_of(Delivered())
    w.begin()
    w.begin()
    w.now += SLOW + 0.1
    assert w.wait() > 0


def test_a_new_route_has_one_place_until_it_is_answered() -> None:
    w = world()
    first = w.begin()
    assert w.wait() > 0
    w.end(first, Delivered())
    w.begin()
    w.begin()


def test_routes_that_do_not_answer_leave_half_of_the_places_to_those_that_do() -> None:
    w = world(concurrency=10)
    w.made_of(Delivered(), "/proven")
    for number in range(5):
        w.begin(f"/new{number}")
    assert [w.wait("/new6") for _ in range(100)] == [FIRST_TOOK] * 100
    assert w.news == []
    w.begin("/proven")


def test_an_answer_that_is_no_success_proves_a_route() -> None:
    w = world(concurrency=2)
    w.made_of(Undelivered(name=HTTP_STATUS, code=500))
    w.begin("/b")
    assert w.wait("/c") > 0
    w.begin()


def test_no_more_routes_are_remembered_than_is_bounded() -> None:
    w = world()
    w.open("/dead")
    busy = w.begin("/busy")
    for number in range(MOST_ROUTES):
        w.made_of(Delivered(), f"/{number}")
    assert w.wait("/dead") == 0
    w.end(busy, Delivered())


def test_an_outcome_of_a_route_that_was_forgotten_is_counted_anew() -> None:
    w = world()
    w.end(w.job(), REFUSED)
    w.routes.unsent(w.job("/nowhere"), w.now)
    assert w.wait() == 0


def test_jobs_behind_one_that_hangs_are_looked_at_ever_more_seldom() -> None:
    w = world()
    began, looks, due = w.now, 0, [w.now] * 4
    w.begin()
    while (at := min(due)) < began + 10:
        due.remove(at)
        w.now, looks = at, looks + 1
        due.append(at + w.wait())
    assert looks < 40  # each of the four would else be looked at twenty times a second
