"""The checker finds what is sent in spite of a pause, and before its new time."""

import attrs
import pytest
from chaos.checker import violations
from chaos.histories import request, sound, the_one
from chaos.history import History, Pause, Reschedule
from chaos.steered import ONE_CLAIM

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


@pytest.mark.parametrize("at", [9.0, 15.0, 99.0])
def test_what_comes_before_the_change_or_at_its_new_time_may(at: float) -> None:
    assert violations(rescheduled(at)) == []


@pytest.mark.parametrize("at", [10.0, 14.9])
def test_what_comes_too_early_is_found(at: float) -> None:
    assert the_one(rescheduled(at)) == "nothing_comes_before_its_new_time"
