"""Refuse to look at the tokens of an address that has sent many wrong ones."""

from __future__ import annotations

from time import monotonic

from starlette.requests import Request

MOST_WRONG, SECONDS = 10, 60.0
"""So many wrong tokens of an address are looked at in so many seconds."""

MOST_ADDRESSES = 1_000
"""Addresses that are remembered: the latest."""


class Throttle:
    """Counts an address's wrong tokens. Behind a proxy that isn't trusted to say whose, all are its own."""

    def __init__(self) -> None:
        """Begin with none."""
        self._wrong: dict[str, tuple[int, float]] = {}

    def refuses_for(self, request: Request) -> float:
        """Return for how many seconds an address's tokens aren't looked at; 0: they are."""
        count, until = self._wrong.get(_address(request), (0, 0.0))
        return max(until - monotonic(), 0.0) if count >= MOST_WRONG else 0.0

    def note_wrong(self, request: Request) -> None:
        """Count a wrong token."""
        address, now = _address(request), monotonic()
        count, until = self._wrong.pop(address, (0, 0.0))
        self._wrong[address] = (count + 1, until) if now < until else (1, now + SECONDS)
        if len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host
