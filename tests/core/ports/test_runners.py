"""Runners as others see them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sp00ky_core.ports import DEAD_AFTER, RunnerInfo, RunnerRecord
from sp00ky_core.runner import RunnerOptions

AT = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("silent_for", "draining", "state"),
    [
        (0.0, False, "running"),
        (0.0, True, "draining"),
        (DEAD_AFTER, False, "running"),
        (DEAD_AFTER + 0.1, False, "dead"),
        (DEAD_AFTER + 0.1, True, "dead"),
    ],
)
def test_a_runner_is_dead_when_it_is_silent_and_draining_when_it_was_asked_to(
    silent_for: float, draining: bool, state: str
) -> None:
    info = RunnerInfo(draining=draining)
    record = RunnerRecord(
        id="r", host="h", pid=1, started_at=AT, beat_at=AT, silent_for=silent_for, info=info
    )
    assert record.state == state


def test_it_is_dead_for_operators_when_it_is_for_runners() -> None:
    assert RunnerOptions().dead_after == DEAD_AFTER
