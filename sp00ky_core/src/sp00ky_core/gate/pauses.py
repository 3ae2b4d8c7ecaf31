"""Keep whether an operator has paused a backend, as claims find it, and when to look again."""

from __future__ import annotations

import attrs

LOOK_AGAIN = 0.05
"""Seconds between two looks at a paused backend while signals come in: one may be of its resume."""


@attrs.define
class Pause:
    """The pause of one backend.

    Attributes:
        is_on: The latest claim that could tell has found it paused.
        until: When it is claimed for again, to see whether the pause is over.
    """

    is_on: bool = False
    until: float = 0.0
    _looked_at: float = 0.0

    def signal(self) -> None:
        """There may be work; it may be because the backend is resumed."""
        if self.is_on:
            self.until = min(self.until, self._looked_at + LOOK_AGAIN)

    def claimed(self, now: float, seconds: float | None, poll: float) -> bool:
        """Take over what a claim found; return whether that is news.

        ``seconds``: that the pause lasts yet; None: there is none. After the ``poll`` it is looked at again.
        """
        was_on, self.is_on = self.is_on, seconds is not None
        if seconds is not None:
            self._looked_at, self.until = now, now + min(seconds, poll)
        else:
            self.until = 0.0
        return self.is_on is not was_on
