"""Errors of schedules say what to do, in one line."""

from __future__ import annotations

from sp00ky_core.errors import ScheduleInvalid, ScheduleStopped, UnknownSchedule


def test_their_texts() -> None:
    invalid = ScheduleInvalid(schedule="n", key="every", problem="too short")
    assert (str(invalid), invalid.exit_code) == ("schedule 'n': every: too short", 2)
    unknown = UnknownSchedule(schedule="tock", known=("tick",))
    expected = "no schedule 'tock' is defined; did you mean 'tick'? (see: sp00ky schedules list)"
    assert (str(unknown), unknown.exit_code) == (expected, 1)
    assert (
        str(ScheduleStopped(schedule="n", problem="it is paused"))
        == "schedule 'n' makes no jobs: it is paused"
    )
