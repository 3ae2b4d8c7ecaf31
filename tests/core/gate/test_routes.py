"""A breaker for each route of a backend, and what is the backend's own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import LONGEST_INTERVAL
from sp00ky_core.gate.route import LATE
from sp00ky_core.gate.routes import LONGEST_LOOK, RECENT, Routes
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered

CONFIG = BreakerConfig(failures=3, interval=1)
TIMEOUT = Undelivered(name="timeout")
GATEWAY = Undelivered(name="http_status", code=504, counts_as="timeout")
AWAY = Undelivered(name="http_status", code=503, counts_as="unavailable")
REFUSED = Undelivered(name="connect")
ANSWERS = [Delivered(), Undelivered(name="http_status", code=500), Undelivered(name="throttled", code=429)]


def job_of(route: str, number: int, *, has_retries: bool = True) -> Job:
    how: Any = {"payload_json": b"{}", "status": JobStatus.PROCESSING, "max_retries": int(has_retries)}
    return Job(id=f"job:{number}", backend="api", path=route, **how)


class Bench:
    """A runner's clock, and what it sends."""

    def __init__(self, *, several: bool = True) -> None:
        self.routes = Routes(backend="api", config=CONFIG, several=several, probe_lease=15)
        self.now = 1_000.0
        self._jobs = 0

    def wait(self, route: str, *, waited: float = 0.0, has_retries: bool = True) -> float:
        self._jobs += 1
        self.job = job_of(route, self._jobs, has_retries=has_retries)
        return self.routes.wait(self.job, self.now, waited=waited)

    def send(self, route: str, outcome: Outcome, *, took: float = 0.0, has_retries: bool = True) -> bool:
        """Send a job; whether its outcome is the route's alone."""
        assert self.wait(route, has_retries=has_retries) == 0
        started_at = self.now
        self.now += took
        return self.routes.note(self.job, outcome, self.now, started_at=started_at).is_own

    def open(self, route: str, outcome: Outcome = GATEWAY) -> None:
        assert self.send("/other", Delivered()) is False
        assert [self.send(route, outcome) for _ in range(3)] == [True] * 3
        assert self.wait(route) > 0


@pytest.mark.parametrize("outcome", [TIMEOUT, GATEWAY])
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_route_without_answers_is_shut_alone_where_others_are_answered(
    outcome: Undelivered, answer: Outcome
) -> None:
    bench = Bench()
    bench.send("/other", answer)
    assert [bench.send("/dead", outcome) for _ in range(3)] == [True] * 3
    assert (bench.wait("/dead"), bench.wait("/other")) == (CONFIG.interval, 0)


@pytest.mark.parametrize(
    ("outcome", "ago", "took", "is_own"),
    [
        (GATEWAY, RECENT, 0, True),
        (GATEWAY, RECENT + 1, 0, False),
        (TIMEOUT, RECENT, 60, True),
        (AWAY, 0, 0, False),
        (REFUSED, 0, 0, False),
        (Undelivered(name="reset"), 0, 0, False),
    ],
    ids=["lately", "long ago", "before a long wait", "503", "refused", "reset"],
)
def test_it_is_the_backends_where_no_other_answer_came_or_it_is_no_timeout(
    outcome: Undelivered, ago: float, took: float, is_own: bool
) -> None:
    bench = Bench()
    bench.send("/other", Delivered())
    bench.now += ago
    assert bench.send("/dead", outcome, took=took) is is_own


def test_a_routes_own_answers_say_nothing_of_others() -> None:
    bench = Bench()
    bench.send("/dead", Delivered())
    assert not bench.send("/dead", GATEWAY)


def test_where_every_route_fails_it_is_the_backend() -> None:
    bench = Bench()
    for route in ("/a", "/b", "/c"):
        bench.send(route, Delivered())
    own = [bench.send(route, GATEWAY) for _ in range(2) for route in ("/a", "/b", "/c")]
    assert own == [True, True, False, False, False, False]
    assert [bench.wait(route) for route in ("/a", "/b", "/c")] == [0, 0, 0]


def test_what_is_known_of_a_route_holds_without_other_jobs_until_they_fail_too() -> None:
    bench = Bench()
    bench.open("/dead")
    bench.now += 100
    assert bench.send("/dead", GATEWAY)
    bench.send("/other", AWAY)
    bench.now += 100
    assert not bench.send("/dead", GATEWAY)


def test_its_probes_follow_the_rules_of_breakers() -> None:
    bench = Bench()
    bench.open("/dead")
    pauses = []
    for _ in range(7):
        pauses.append(bench.wait("/dead"))
        bench.now += pauses[-1]
        assert bench.send("/dead", GATEWAY)
    assert pauses == [1, 2, 4, 8, 16, LONGEST_INTERVAL, LONGEST_INTERVAL]
    bench.now += LONGEST_INTERVAL
    assert bench.wait("/dead") == 0  # the probe
    assert bench.wait("/dead") == 15  # for as long as it is one job's alone
    bench.routes.unsent(job_of("/dead", bench._jobs - 1), bench.now)
    assert not bench.routes.are_free
    bench.send("/dead", Delivered())
    assert bench.routes.are_free
    assert [bench.wait("/dead") for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize(("waited", "wait"), [(0, 1), (60, 60), (86_400, LONGEST_LOOK)])
def test_a_job_waits_as_long_again_as_it_has_already(waited: float, wait: float) -> None:
    bench = Bench()
    bench.open("/dead")
    assert bench.wait("/dead", waited=waited) == wait


def test_a_job_without_retries_left_is_a_probe_only_where_no_better_one_is_expected() -> None:
    bench = Bench()
    bench.open("/dead")
    assert bench.wait("/dead", has_retries=True) == 1
    bench.now += 0.5
    assert bench.wait("/dead", has_retries=True) == 1
    bench.now += 0.5
    assert bench.wait("/dead", has_retries=False) > 0
    assert bench.wait("/dead", has_retries=True) == 0
    alone = Bench()
    alone.open("/dead")
    wait = alone.wait("/dead", waited=60, has_retries=True)
    alone.now += wait
    assert alone.wait("/dead", has_retries=False) > 0
    alone.now += (LATE - 1) * wait
    assert alone.wait("/dead", has_retries=False) == 0  # the better one is gone


@pytest.mark.parametrize("several", [True, False])
def test_another_runners_answer_counts_where_it_may_be_of_another_route(several: bool) -> None:
    bench = Bench(several=several)
    bench.routes.answered_elsewhere(bench.now)
    assert bench.send("/dead", GATEWAY) is several


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*ANSWERS, TIMEOUT, GATEWAY, REFUSED]))))
def test_it_keeps_no_more_than_the_routes_and_lets_probes_through(sent: list[tuple[str, Outcome]]) -> None:
    bench = Bench()
    for route, outcome in sent:
        bench.now += bench.wait(route)
        bench.routes.note(bench.job, outcome, bench.now, started_at=bench.now)
    bench.now += LONGEST_INTERVAL
    assert all(bench.wait(route) == 0 for route in "abc")
    assert len(bench.routes._routes) <= 3
