"""A breaker's state, and what a change does to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import (
    BREAKER_TABLE,
    LONGEST_INTERVAL,
    LONGEST_PAUSE,
    PAUSE_MARGIN,
    Answered,
    Breaker,
    BreakerChange,
    BreakerEvent,
    BreakerState,
    Failed,
    ProbeAnswered,
    ProbeFailed,
    ProbeWithoutNews,
    breaker_of,
    change_after,
    changed,
    event_of,
    fits,
    is_timeout,
    is_unavailable,
    longest_pause,
    never_connected,
    risk_turn,
    route_in_turn,
    seconds_asked,
)
from sp00ky_core.job import outcome as names
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


@pytest.mark.parametrize(
    ("breaker", "lets_through", "wants_probe"),
    [
        (Breaker(), True, False),
        (Breaker(paused_for=0.1), False, False),
        (Breaker(state=OPEN, failures=5, paused_for=1), False, False),
        (Breaker(state=OPEN, failures=5), False, True),
        (Breaker(state=HALF_OPEN, failures=5, probe_runner="a", probe_for=9), False, False),
    ],
)
def test_what_is_claimed(breaker: Breaker, lets_through: bool, wants_probe: bool) -> None:
    assert (breaker.lets_through, breaker.wants_probe) == (lets_through, wants_probe)


@pytest.mark.parametrize(
    ("before", "to", "opens", "closes", "ends_probe"),
    [
        (Breaker(), CLOSED, False, False, False),
        (Breaker(failures=4), OPEN, True, False, False),
        (Breaker(state=HALF_OPEN, probe_runner="a"), OPEN, False, False, True),
        (Breaker(state=HALF_OPEN, probe_runner="a"), HALF_OPEN, False, False, False),
        (Breaker(state=HALF_OPEN, probe_runner="a"), CLOSED, False, True, True),
    ],
)
def test_what_a_change_does(
    before: Breaker, to: BreakerState, opens: bool, closes: bool, ends_probe: bool
) -> None:
    change = BreakerChange(backend="api", before=before, to=to, failures=0)
    assert (change.opens, change.closes, change.ends_probe) == (opens, closes, ends_probe)


def test_a_change_knows_its_own_work() -> None:
    before = Breaker(state=HALF_OPEN, failures=5, probe_runner="a")
    kept = BreakerChange(backend="api", before=before, to=HALF_OPEN, failures=5)
    ended = BreakerChange(backend="api", before=before, to=OPEN, failures=6)
    assert kept.has_made(before)
    assert not ended.has_made(before)
    assert ended.has_made(Breaker(state=OPEN, failures=6, paused_for=9))
    assert not ended.has_made(Breaker(state=OPEN, failures=6, probe_runner="b"))


def test_time_ends_pauses_and_probes() -> None:
    breaker = Breaker(state=HALF_OPEN, failures=5, paused_for=2, probe_runner="a", probe_for=9)
    assert breaker.silent_for == 9
    later = breaker.after(8)
    assert (later.state, later.paused_for, later.silent_for) == (HALF_OPEN, 0, 1)
    assert later.after(1) == Breaker(state=OPEN, failures=5, probe_runner="a")


@pytest.mark.parametrize("to", BreakerState)
def test_a_change_is_made_of_what_it_finds(to: BreakerState) -> None:
    before = Breaker(state=HALF_OPEN, failures=5, paused_for=3, probe_runner="a", probe_for=9)
    after = BreakerChange(backend="api", before=before, to=to, failures=6, pause=2).of(before)
    assert (after.state, after.failures, after.paused_for) == (to, 6, 3)
    assert (after.probe_runner, after.probe_for) == (("a", 9) if to is HALF_OPEN else (None, 0))


ME, OTHER = "runner-1", "runner-2"


NO_NEWS = [
    names.INVALID_PATH,
    names.INVALID_PAYLOAD,
    names.INVALID_ROW,
    names.UNKNOWN_ROUTE,
    names.OUTCOME_UNKNOWN,
    names.KILLED,
]


def status(code: int, retry_after: float | None = None) -> Undelivered:
    return Undelivered(name=names.HTTP_STATUS, code=code, retry_after=retry_after)


@pytest.mark.parametrize("name", [names.CONNECT, names.TLS, names.RESET, names.TIMEOUT])
def test_a_backend_that_gives_no_answer_is_unavailable(name: str) -> None:
    outcome = Undelivered(name=name)
    assert is_unavailable(outcome)
    assert event_of(outcome) == Failed()
    assert event_of(outcome, probe_of=ME, took=2) == ProbeFailed(runner_id=ME, took=2)


@pytest.mark.parametrize("meaning", ["unavailable", "timeout", "reset", "connect"])
def test_an_answer_is_what_its_transport_takes_it_for(meaning: str) -> None:
    outcome = Undelivered(scheme="amqp", name="own", code=320, counts_as=meaning)
    assert event_of(outcome) == Failed()
    assert never_connected(outcome) is (meaning == "connect")
    assert is_timeout(outcome) is (meaning == "timeout")


def test_no_number_means_anything_here() -> None:
    assert not any(is_unavailable(status(code)) for code in range(100, 600))


@pytest.mark.parametrize(
    "outcome", [Delivered(), status(500), status(404), Undelivered(name="protocol"), Undelivered(name="own")]
)
def test_any_other_answer_is_one(outcome: Outcome) -> None:
    assert event_of(outcome) == Answered()
    assert event_of(outcome, probe_of=ME) == ProbeAnswered(runner_id=ME)


@pytest.mark.parametrize("name", NO_NEWS)
def test_what_was_never_sent_or_cut_off_says_nothing(name: str) -> None:
    assert event_of(Undelivered(name=name)) is None
    assert event_of(Undelivered(name=name), probe_of=ME) == ProbeWithoutNews(runner_id=ME)


def test_only_without_a_connection_nothing_can_have_been_sent() -> None:
    outcomes = [Delivered(), status(503), *(Undelivered(name=name) for name in ("reset", "timeout"))]
    assert not any(map(never_connected, outcomes))
    assert never_connected(Undelivered(name=names.CONNECT))
    assert never_connected(Undelivered(name=names.TLS))


@given(
    asked=st.floats(allow_nan=False),
    cap=st.floats(0, 10_000),
    name=st.sampled_from(["throttled", "unavailable", "own"]),
)
def test_what_a_backend_asks_for_counts_up_to_the_cap(asked: float, cap: float, name: str) -> None:
    seconds = seconds_asked(Undelivered(name=name, retry_after=asked), cap)
    assert seconds == (0 if name == "own" else min(max(asked, 0), cap, LONGEST_PAUSE))
    event = event_of(Undelivered(name=name), asked=seconds)
    assert isinstance(event, Failed | Answered)
    assert event.retry_after == seconds


CONFIG = BreakerConfig(failures=3, interval=1)


def test_so_many_failures_in_a_row_open_it() -> None:
    breaker = Breaker()
    for failures in (1, 2, 3):
        change = change_after("api", breaker, Failed(), CONFIG)
        assert change is not None
        assert (change.failures, change.opens) == (failures, failures == 3)
        breaker = Breaker(state=change.to, failures=change.failures)
    assert (change.to, change.pause) == (BreakerState.OPEN, 1)


def test_each_probe_that_fails_doubles_the_interval_up_to_the_longest() -> None:
    pauses, failures = [], 3
    for _ in range(10):
        breaker = Breaker(state=BreakerState.HALF_OPEN, failures=failures, probe_runner=ME, probe_for=10.0)
        change = change_after("api", breaker, ProbeFailed(runner_id=ME), CONFIG)
        assert change is not None
        failures = change.failures
        pauses.append(change.pause)
    assert pauses == [2, 4, 8, 16, *[LONGEST_INTERVAL] * 6]


def test_the_interval_runs_from_when_a_probe_was_sent_but_there_is_always_a_break() -> None:
    breaker = Breaker(state=BreakerState.HALF_OPEN, failures=7, probe_runner=ME, probe_for=1.0)
    pauses = [
        change.pause
        for took in (0.0, 10.0, 100.0)
        if (change := change_after("api", breaker, ProbeFailed(runner_id=ME, took=took), CONFIG))
    ]
    assert pauses == [30, 20, 1]


PROBE_EVENTS = (ProbeFailed, ProbeAnswered, ProbeWithoutNews)


@pytest.mark.parametrize("made", PROBE_EVENTS)
@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.HALF_OPEN])
def test_a_probe_that_is_somebody_elses_by_now_changes_nothing(
    made: type[BreakerEvent], state: BreakerState
) -> None:
    breaker = Breaker(state=state, failures=3, probe_runner=OTHER, probe_for=1.0)
    assert change_after("api", breaker, made(runner_id=ME), CONFIG) is None  # type: ignore[call-arg]


@pytest.mark.parametrize("event", [Failed(), Answered()])
@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.HALF_OPEN])
def test_what_was_in_flight_when_it_opened_is_no_news(event: BreakerEvent, state: BreakerState) -> None:
    assert change_after("api", Breaker(state=state, failures=3, probe_runner=ME), event, CONFIG) is None


breakers = st.builds(
    Breaker,
    state=st.sampled_from(BreakerState),
    failures=st.integers(0, 200),
    paused_for=st.sampled_from([0.0, 2.0]),
    probe_runner=st.sampled_from([None, ME, OTHER]),
)
events = st.one_of(
    st.builds(Failed, retry_after=st.sampled_from([0.0, 1.0, 5.0])),
    st.builds(Answered, retry_after=st.sampled_from([0.0, 1.0, 5.0])),
    *(st.builds(made, runner_id=st.sampled_from([ME, OTHER])) for made in PROBE_EVENTS),
)


@given(breaker=breakers, event=events)
def test_a_change_leads_where_the_table_says(breaker: Breaker, event: BreakerEvent) -> None:
    change = change_after("api", breaker, event, CONFIG)
    row = BREAKER_TABLE.get((breaker.state, type(event)))
    if change is not None:
        assert row is not None
        assert change.to in row[1]
        assert change.before == breaker
        assert change.pause >= 0
        assert not (change.opens and change.closes)


def test_after_each_failure_it_is_another_routes_turn() -> None:
    jobs = [(route, has_retries) for route in ("/c", "/a", "/b") for has_retries in (True, False)]
    for candidates in (jobs, [job for job in jobs if not job[1]]):
        turns = [route_in_turn(candidates, Breaker(failures=failures)) for failures in range(3, 9)]
        assert turns == ["/a", "/b", "/c"] * 2
    assert route_in_turn([], Breaker(failures=6)) is None


def test_a_route_without_retries_has_a_turn_after_six_failures_and_each_doubling() -> None:
    jobs = [("/spare", True), ("/spare", False), ("/b", False), ("/a", False), ("/a", False)]
    turns = {failures: route_in_turn(jobs, Breaker(failures=failures)) for failures in range(3, 200)}
    risked = {failures: route for failures, route in turns.items() if route != "/spare"}
    assert risked == {6: "/a", 12: "/b", 24: "/a", 48: "/b", 96: "/a", 192: "/b"}


def test_a_job_without_retries_keeps_no_other_probe_company() -> None:
    assert risk_turn(Breaker(failures=6, probe_runner=ME)) is None


@given(failures=st.integers(1, 10_000))
def test_an_outage_risks_no_more_than_the_logarithm_of_its_failures(failures: int) -> None:
    turns = [turn for count in range(failures) if (turn := risk_turn(Breaker(failures=count))) is not None]
    assert turns == list(range(len(turns)))
    assert len(turns) <= failures.bit_length()


@pytest.mark.parametrize(
    ("config", "cap", "longest"),
    [
        (CONFIG, 1, LONGEST_INTERVAL + PAUSE_MARGIN),
        (CONFIG, 900, 900 + PAUSE_MARGIN),
        (BreakerConfig(interval=3_600), 900, 3_600 + PAUSE_MARGIN),
        (None, 1e300, LONGEST_PAUSE),
    ],
    ids=["the interval", "what may be asked for", "a long interval", "what a clock can add"],
)
def test_no_runner_pauses_a_backend_for_longer(
    config: BreakerConfig | None, cap: float, longest: float
) -> None:
    assert longest_pause(config, cap) == longest


NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(seconds=5), NOW - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("row", "breaker"),
    [
        ({}, Breaker()),
        ({"state": "closed", "failures": 2}, Breaker(failures=2)),
        ({"state": "closed", "paused_until": LATER}, Breaker(paused_for=5.0)),
        (
            {"state": "open", "failures": 3, "paused_until": EARLIER},
            Breaker(state=BreakerState.OPEN, failures=3),
        ),
        (
            {"state": "open", "failures": 3, "probe_runner": "r", "probe_until": LATER},
            Breaker(state=BreakerState.HALF_OPEN, failures=3, probe_runner="r", probe_for=5.0),
        ),
        (
            {"state": "open", "failures": 3, "probe_runner": "r", "probe_until": EARLIER},
            Breaker(state=BreakerState.OPEN, failures=3, probe_runner="r"),
        ),
    ],
    ids=["never changed", "closed", "paused", "open", "under a probe", "whose probe got lost"],
)
def test_a_row_is_read(row: dict[str, object], breaker: Breaker) -> None:
    assert breaker_of(row, NOW) == breaker
    assert fits(row, breaker)
    assert not fits({**row, "failures": 9}, breaker)
    assert not fits({**row, "probe_runner": "another"}, breaker)


def change(to: BreakerState, pause: float = 0.0) -> BreakerChange:
    return BreakerChange(backend="api", before=Breaker(), to=to, failures=3, pause=pause)


def test_a_pause_never_gets_shorter() -> None:
    opens = change(BreakerState.OPEN, 1.0)
    assert changed({"paused_until": LATER}, opens, NOW)["paused_until"] == LATER
    assert changed({}, opens, NOW)["paused_until"] == NOW + timedelta(seconds=1)


def test_a_probe_is_kept_while_it_is_under_way() -> None:
    row = {"state": "open", "probe_runner": "r", "probe_until": LATER}
    kept, ended = (changed(row, change(to), NOW) for to in (BreakerState.HALF_OPEN, BreakerState.CLOSED))
    assert (kept["state"], kept["probe_runner"], kept["probe_until"]) == ("open", "r", LATER)
    assert (ended["state"], ended["probe_runner"], ended["probe_until"]) == ("closed", None, None)


@pytest.mark.parametrize("seconds", [61, 86_400, 10**10])
def test_what_is_longer_than_any_was_written_by_a_clock_ahead(seconds: int) -> None:
    ahead = NOW + timedelta(seconds=seconds)
    row = {"state": "open", "failures": 3, "paused_until": ahead, "probe_runner": "r", "probe_until": ahead}
    breaker = breaker_of(row, NOW, longest_pause=60, longest_probe=60)
    assert (breaker.state, breaker.paused_for, breaker.probe_for) == (BreakerState.OPEN, 0, 0)
    values = changed(row, change(BreakerState.OPEN, 1.0), NOW, longest_pause=60)
    assert values["paused_until"] == NOW + timedelta(seconds=1)
