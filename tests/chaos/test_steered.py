"""The checker finds what is sent in spite of a pause, and before its new time."""

from __future__ import annotations

import attrs
import pytest
from tests.chaos.checker import violations
from tests.chaos.histories import request, sound, the_one
from tests.chaos.history import Disturbance, History, Pause, Reschedule
from tests.chaos.steered import ONE_CLAIM

PAUSED, RESUMED = 10.0, 20.0


def arriving(at: float, *, begun: float | None = None, path: str = "/calm") -> History:
    """One job, whose only request came then."""
    history = sound()
    history.enqueues[0].at = 0.0
    sent = attrs.evolve(request(1, at=at), path=path, begun=at if begun is None else begun)
    history.requests, history.moves, history.reports = [sent], [], []
    return history


def paused(at: float, *, begun: float | None = None, path: str = "/calm") -> History:
    history = arriving(at, begun=begun, path=path)
    history.pauses = [Pause(backend="calm", since=PAUSED, until=RESUMED)]
    return history


def rescheduled(at: float, *, begun: float | None = None) -> History:
    history = arriving(at, begun=begun)
    history.reschedules = [Reschedule(n=1, done=10.0, due=15.0)]
    return history


@pytest.mark.parametrize("at", [PAUSED - 1, PAUSED + ONE_CLAIM - 0.1, RESUMED, RESUMED + 5])
def test_what_begins_before_the_next_claim_or_after_the_resume_may(at: float) -> None:
    assert violations(paused(at)) == []


@pytest.mark.parametrize("at", [PAUSED + ONE_CLAIM, RESUMED - 0.1])
def test_what_begins_during_a_pause_is_found(at: float) -> None:
    assert the_one(paused(at)) == "nothing_begins_while_paused"


def test_a_pause_without_an_end_holds() -> None:
    history = paused(RESUMED + 100)
    assert violations(history) == []
    history.pauses = [Pause(backend="calm", since=PAUSED)]
    assert the_one(history) == "nothing_begins_while_paused"


def test_a_pause_that_was_not_acknowledged_keeps_nothing_out() -> None:
    history = paused(15.0)
    history.pauses = [Pause(backend="calm", until=RESUMED)]
    assert violations(history) == []


def test_another_backend_and_what_had_begun_go_on() -> None:
    assert violations(paused(15.0, path="/wild")) == []
    assert violations(paused(15.0, begun=PAUSED + 1)) == []


@pytest.mark.parametrize("at", [9.0, 15.0, 99.0])
def test_what_comes_before_the_change_or_at_its_new_time_may(at: float) -> None:
    assert violations(rescheduled(at)) == []


@pytest.mark.parametrize("at", [10.0, 14.9])
def test_what_comes_too_early_is_found(at: float) -> None:
    assert the_one(rescheduled(at)) == "nothing_comes_before_its_new_time"


def test_what_had_begun_before_the_change_is_not_too_early() -> None:
    assert violations(rescheduled(14.0, begun=9.9)) == []


@pytest.mark.parametrize("history", [paused(15.0), rescheduled(14.0)])
@pytest.mark.parametrize(
    ("runner", "since", "until", "excused"),
    [("r1", 1.0, 13.9, True), ("r2", 1.0, 13.9, False), ("r1", 1.0, 10.0, False), ("*", 1.0, 13.9, False)],
)
def test_a_runner_that_was_frozen_a_moment_ago_may_go_on_with_what_it_held(
    history: History, runner: str, since: float, until: float, excused: bool
) -> None:
    history.disturbances = [Disturbance(kind="freeze", runner=runner, since=since, until=until)]
    assert (violations(history) == []) is excused
