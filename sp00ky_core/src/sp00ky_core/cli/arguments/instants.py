"""Parse instants as operators type them: RFC 3339, or a time from now."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

from sp00ky_core.cli.arguments.durations import DURATION

_DURATION = re.compile(r"[0-9.]+[a-z]+")


class _Instant(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic in newer clicks
    name = "instant"

    def __init__(self, kind: str, direction: int) -> None:
        self._kind, self._direction = kind, direction

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse ``2026-01-31T12:00:00Z``, or ``2h``: so long before or after now by this host's clock."""
        try:
            at = datetime.fromisoformat(str(value).upper())
        except ValueError:
            if not _DURATION.fullmatch(str(value)):
                either = f"{self._kind}, such as 2h or 3d, nor 2026-01-31T12:00:00Z"
                self.fail(f"{value!r} is neither {either}", param, ctx)
            return datetime.now(UTC) + self._direction * DURATION.convert(value, param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value!r} has no time zone: 2026-01-31T12:00:00Z, or +01:00 for Z", param, ctx)
        return at


INSTANT = _Instant("an age", -1)
"""A duration is so long ago."""

LATER = _Instant("a time from now", +1)
"""A duration is so long from now."""
