"""Which outcomes say that a backend is unavailable, and which say nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core import outcome as names
from sp00ky_core.gate.breaker import (
    Answered,
    Failed,
    ProbeAnswered,
    ProbeFailed,
    ProbeWithoutNews,
    event_of,
    is_unavailable,
    never_connected,
)
from sp00ky_core.outcome import Delivered, Outcome, Undelivered

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
    assert event_of(outcome, cap=900) == Failed()
    assert event_of(outcome, cap=900, probe_of=ME, took=2) == ProbeFailed(runner_id=ME, took=2)


def test_of_all_answers_three_mean_that_it_is_unavailable() -> None:
    assert [code for code in range(100, 600) if is_unavailable(status(code))] == [502, 503, 504]


@pytest.mark.parametrize(
    "outcome", [Delivered(), status(500), status(404), Undelivered(name="protocol"), Undelivered(name="own")]
)
def test_any_other_answer_is_one(outcome: Outcome) -> None:
    assert event_of(outcome, cap=900) == Answered()
    assert event_of(outcome, cap=900, probe_of=ME) == ProbeAnswered(runner_id=ME)


@pytest.mark.parametrize("name", NO_NEWS)
def test_what_was_never_sent_or_cut_off_says_nothing(name: str) -> None:
    assert event_of(Undelivered(name=name), cap=900) is None
    assert event_of(Undelivered(name=name), cap=900, probe_of=ME) == ProbeWithoutNews(runner_id=ME)


def test_only_without_a_connection_nothing_can_have_been_sent() -> None:
    outcomes = [Delivered(), status(503), *(Undelivered(name=each) for each in ("reset", "timeout"))]
    assert not any(map(never_connected, outcomes))
    assert never_connected(Undelivered(name=names.CONNECT))
    assert never_connected(Undelivered(name=names.TLS))


@given(asked=st.floats(allow_nan=False), cap=st.floats(0, 10_000), code=st.sampled_from([429, 503, 500]))
def test_what_a_backend_asks_for_counts_up_to_the_cap(asked: float, cap: float, code: int) -> None:
    event = event_of(status(code, asked), cap=cap)
    assert isinstance(event, Failed | Answered)
    assert event.retry_after == (0 if code == 500 else min(max(asked, 0), cap))
