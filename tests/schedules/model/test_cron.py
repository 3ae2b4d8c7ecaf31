"""Cron expressions, above all where a zone changes its clock."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given
from hypothesis import strategies as st

from sp00ky_schedules.model.cron import CronProblem, check_cron, next_cron

CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    "Africa/Cairo": (datetime(2026, 4, 23, 22, tzinfo=UTC), datetime(2026, 10, 29, 21, tzinfo=UTC)),
}
WEEK = timedelta(days=7)
MINUTE = timedelta(minutes=1)


def fields(lowest: int, highest: int) -> st.SearchStrategy[str]:
    numbers = st.integers(lowest, highest)
    lists = st.lists(numbers, min_size=1, max_size=3).map(lambda found: ",".join(map(str, found)))
    steps = st.sampled_from([2, 3, 5, 7, 10, 15, 20, 30]).map(lambda step: f"*/{step}")
    return st.one_of(st.just("*"), steps, lists)


EXPRESSIONS = st.tuples(fields(0, 59), fields(0, 5), st.just("* *"), fields(0, 6)).map(" ".join)
SIX_FIELDS = st.tuples(fields(0, 59), EXPRESSIONS).map(" ".join)


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    name = draw(st.sampled_from(sorted(CHANGES)))
    change = draw(st.sampled_from(CHANGES[name]))
    wide, near = st.integers(-5 * 86_400, 5 * 86_400), st.integers(-3 * 3_600, 3 * 3_600)
    return name, change + timedelta(seconds=draw(st.one_of(near, wide)), microseconds=draw(st.integers(0, 9)))


def searched(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first minute after an instant that an expression names, found by looking at each of two weeks."""
    named = CronSim(expression, datetime(2026, 1, 1))
    minute, hour, *_ = expression.split()
    local = after.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
    instant = after.replace(second=0, microsecond=0)
    for n in range(1, 2 * WEEK // MINUTE):
        if minute.startswith("*") or hour.startswith("*"):
            at = instant + n * MINUTE
            wall = at.astimezone(zone).replace(tzinfo=None)
        else:
            wall = local + (n - 240) * MINUTE
            at = shown(wall, zone)
        if at > after and wall.minute in named.minutes and wall.hour in named.hours and named.match_day(wall):
            return at
    return None


def shown(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which a wall clock has come to a time, or has gone over it."""
    while (at := wall.replace(tzinfo=zone).astimezone(UTC)).astimezone(zone).replace(tzinfo=None) != wall:
        wall += MINUTE
    return at


@given(EXPRESSIONS, moments())
@example("30 2 * * *", ("Europe/Berlin", CHANGES["Europe/Berlin"][0]))
@example("*/5 3,3 * * *", ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, 5, 35, tzinfo=UTC)))
def test_it_is_what_a_search_minute_by_minute_finds(expression: str, moment: tuple[str, datetime]) -> None:
    name, after = moment
    found = next_cron(expression, ZoneInfo(name), after)
    assert found == searched(expression, ZoneInfo(name), after)
    assert found == next_cron(f"0 {expression}", ZoneInfo(name), after)


@given(EXPRESSIONS | SIX_FIELDS, moments(), st.integers(0, 90_000))
def test_it_is_strictly_after_and_monotone(
    expression: str, moment: tuple[str, datetime], seconds: int
) -> None:
    name, after = moment
    first = next_cron(expression, ZoneInfo(name), after)
    second = next_cron(expression, ZoneInfo(name), after + timedelta(seconds=seconds))
    assert first is not None
    assert second is not None
    assert after < first <= second


def fires(expression: str, zone: str, begin: datetime, end: datetime) -> list[str]:
    found, at = [], next_cron(expression, ZoneInfo(zone), begin)
    while at is not None and at < end:
        found.append(at.astimezone(ZoneInfo(zone)).isoformat())
        at = next_cron(expression, ZoneInfo(zone), at)
    return found


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 30 2 * * *"])
@pytest.mark.parametrize(
    ("day", "at"),
    [
        (28, "2026-03-28T02:30:00+01:00"),
        (29, "2026-03-29T03:00:00+02:00"),  # 02:30 doesn't exist
        (30, "2026-03-30T02:30:00+02:00"),
    ],
)
def test_what_falls_into_a_missing_hour_fires_once_right_after_it(expression: str, day: int, at: str) -> None:
    begin = datetime(2026, 3, day, tzinfo=ZoneInfo("Europe/Berlin")) - timedelta(minutes=1)
    assert fires(expression, "Europe/Berlin", begin, begin + timedelta(hours=22)) == [at]


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 30 2 * * *"])
def test_what_falls_into_a_repeated_hour_fires_once(expression: str) -> None:
    begin = datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    found = fires(expression, "Europe/Berlin", begin, begin + timedelta(hours=25))
    assert found == ["2026-10-25T02:30:00+02:00"]


def test_what_fires_each_half_hour_does_so_by_the_time_that_passes() -> None:
    begin = datetime(2026, 10, 25, 0, 59, tzinfo=UTC)
    found = fires("*/30 * * * *", "Europe/Berlin", begin, begin + timedelta(hours=1))
    assert found == ["2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"]


@pytest.mark.parametrize(
    ("alias", "expression"),
    [("@daily", "0 0 * * *"), ("@Hourly", "0 * * * *"), ("@weekly", "0 0 * * 0"), ("@yearly", "0 0 1 1 *")],
)
def test_aliases(alias: str, expression: str) -> None:
    zone, after = ZoneInfo("Asia/Tokyo"), datetime(2026, 5, 5, 5, 5, tzinfo=UTC)
    assert next_cron(alias, zone, after) == next_cron(expression, zone, after)


def test_six_fields_begin_with_seconds() -> None:
    after = datetime(2026, 5, 5, 5, 5, 0, 1, tzinfo=UTC)
    assert next_cron("*/20 * * * * *", ZoneInfo("UTC"), after) == datetime(2026, 5, 5, 5, 5, 20, tzinfo=UTC)


def test_a_day_that_comes_every_four_years() -> None:
    after = datetime(2026, 5, 5, tzinfo=UTC)
    found = next_cron("*/5 3 29 2 *", ZoneInfo("Europe/Berlin"), after)
    assert found == datetime(2028, 2, 29, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("* * * * * * word", "not 7"),
        ("* * * *", "not 4"),
        ("", "not 0"),
        ("61 * * * *", "its minute can't be read, or never comes"),
        ("0 0 30 2 *", "its day-of-month can't be read, or never comes"),
        ("L/2 * * * *", "its minute"),
        ("0 0 L/-1 * *", "day-of-month"),
        ("@reboot", "one of @yearly"),
    ],
)
def test_it_says_why_an_expression_is_none(expression: str, problem: str) -> None:
    with pytest.raises(CronProblem, match=problem):
        check_cron(expression)


@given(st.text("0123456789*/,-L#W @ayd", max_size=24))
def test_any_text_is_an_expression_or_a_problem(text: str) -> None:
    with suppress(CronProblem):
        check_cron(text)
        assert len(text.split()) in (1, 5, 6)
