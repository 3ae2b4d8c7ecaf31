"""Errors about a runner that is named."""

from __future__ import annotations

from sp00ky_core.errors import RunnerGone


def test_it_names_what_was_meant() -> None:
    error = RunnerGone(runner_id="host-1", known=("host-12", "other"))
    assert str(error) == "no runner 'host-1' is up; did you mean 'host-12'? (see: sp00ky runners list)"
    assert error.exit_code == 1
    assert "none is known" in str(RunnerGone(runner_id="host-1"))


def test_a_dead_one_is_called_dead() -> None:
    text = str(RunnerGone(runner_id="host-1", silent_for=71.2, known=("other",)))
    assert "runner 'host-1' is dead: its last sign of life was 71 s ago" in text
