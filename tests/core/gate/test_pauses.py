"""A backend that an operator has paused is looked at again."""

from __future__ import annotations

import math

from sp00ky_core.gate.pauses import LOOK_AGAIN, Pause

POLL = 5.0


def test_it_is_news_when_it_begins_and_when_it_ends() -> None:
    pause = Pause()
    found = [pause.claimed(1.0, seconds, POLL) for seconds in (None, math.inf, 2.0, None, None)]
    assert found == [False, True, False, True, False]
    assert (pause.is_on, pause.until) == (False, 0)


def test_it_is_looked_at_again_after_the_poll_or_its_end() -> None:
    pause = Pause()
    pause.claimed(1.0, math.inf, POLL)
    assert pause.until == 1 + POLL
    pause.claimed(2.0, 3.0, POLL)
    assert pause.until == 5


def test_a_signal_makes_it_looked_at_but_not_again_and_again() -> None:
    pause = Pause()
    pause.claimed(1.0, math.inf, POLL)
    pause.signal()
    assert pause.until == 1 + LOOK_AGAIN
    pause.claimed(1.1, math.inf, POLL)
    assert pause.until == 1.1 + POLL
    assert pause.is_on, "a claim hasn't found it resumed"


def test_a_signal_holds_back_nothing_that_is_not_paused() -> None:
    pause = Pause()
    pause.signal()
    assert (pause.is_on, pause.until) == (False, 0)
