"""Durations as operators type them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
import pytest

from sp00ky_core.cli.arguments.durations import DURATION, Seconds


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0", 0), ("90", 90), ("1.5", 1.5), ("500ms", 0.5), ("5m", 300), ("6h", 21_600), ("14d", 1_209_600)],
)
def test_what_is_a_duration(written: str, seconds: float) -> None:
    assert DURATION.convert(written, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["", "soon", "never", "nan", "inf", "-5", "5y", "99999999999d"])
def test_what_is_none(written: str) -> None:
    with pytest.raises(click.BadParameter, match="is no duration"):
        DURATION.convert(written, None, None)


@pytest.mark.parametrize(("given", "taken"), [("0", 0.0), ("2.5", 2.5), (10, 10.0)])
def test_seconds_within_limits(given: Any, taken: float) -> None:
    assert Seconds(0, 10).convert(given, None, None) == taken


@pytest.mark.parametrize("given", ["nan", "-1", "10.1", "inf", "x"])
def test_seconds_beyond_them(given: str) -> None:
    with pytest.raises(click.BadParameter):
        Seconds(0, 10).convert(given, None, None)
