"""Raise what is wrong with a runner that is named."""

from __future__ import annotations

import attrs

from sp00ky_core.errors.base import Sp00kyError, nearest, shown

__all__ = ["RunnerGone"]


@attrs.define(kw_only=True, eq=False)
class RunnerGone(Sp00kyError):
    """There is no such runner, or it is dead; nothing was done.

    Attributes:
        runner_id: The one that was asked for.
        silent_for: Seconds since its last beat; None: it has no row.
        known: Those that are alive.
    """

    runner_id: str
    silent_for: float | None = None
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        runner = shown(self.runner_id)
        if self.silent_for is not None:
            return (
                f"runner {runner} is dead: its last sign of life was {self.silent_for:.0f} s ago; "
                "its jobs are taken over by the others"
            )
        return f"no runner {runner} is up; {nearest(self.runner_id, self.known)} (see: sp00ky runners list)"
