"""Durations as operators type them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import click

from sp00ky_core.config.values import duration
from sp00ky_core.job_options import MAX_DELAY


class Seconds(click.FloatRange):
    """A number of seconds within limits; NaN is none."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuse also what no comparison refuses."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail("nan is no number of seconds", param, ctx)
        return seconds


class _Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic in newer clicks
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Seconds, or a number with a unit: ``90``, ``500ms``, ``5m``, ``6h``, ``14d``."""
        try:
            seconds = _seconds(str(value))
        except (OverflowError, ValueError):
            self.fail(f"{value!r} is no duration, such as 90, 5m or 6h", param, ctx)
        if not 0 <= seconds <= MAX_DELAY.total_seconds():
            self.fail(f"{value!r} is no duration from 0 to {MAX_DELAY.days} days", param, ctx)
        return timedelta(seconds=seconds)


def _seconds(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return duration(written) or 0.0  # raises a ValueError of its own; "never" overflows


DURATION = _Duration()
