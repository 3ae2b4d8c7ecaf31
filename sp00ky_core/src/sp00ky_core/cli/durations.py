"""Durations as operators type them."""

from __future__ import annotations

from datetime import timedelta

import click

from sp00ky_core.config.readers import duration

__all__ = ["DURATION"]


class _Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic in newer clicks
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Seconds, or a number with a unit: ``90``, ``500ms``, ``5m``, ``6h``, ``14d``."""
        try:
            return timedelta(seconds=_seconds(str(value)))
        except (OverflowError, ValueError):
            self.fail(f"{value!r} is no duration, such as 90, 5m or 6h", param, ctx)


def _seconds(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return duration(written) or 0.0  # raises a ValueError of its own; "never" overflows


DURATION = _Duration()
