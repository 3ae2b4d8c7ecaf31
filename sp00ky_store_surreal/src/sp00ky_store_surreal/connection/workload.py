"""Keep a connection for each kind of call, so that none queues behind another."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sp00ky_store_surreal.connection.reconnecting import Line
from sp00ky_store_surreal.url import Target


class Lane(StrEnum):
    """A kind of call; over a network each has a connection of its own, made when it is needed."""

    CLAIM = "claims"
    SETTLE = "settles"
    BEAT = "beats"
    DELETE = "deletes"
    REST = "other"


class Lanes:
    """Holds a server's connections, one for each lane."""

    def __init__(self, target: Target) -> None:
        self._lines = {lane: Line(target, lane.value) for lane in Lane}
        self.is_open: bool = False

    async def open(self) -> None:
        """Connect once. Raises ``StoreUnavailable``."""
        if self.is_open:
            return
        for lane, line in self._lines.items():
            await line.open(now=lane is Lane.REST)
        self.is_open = True

    async def close(self) -> None:
        """Let go of every connection."""
        self.is_open = False
        for line in self._lines.values():
            await line.close()

    async def ask(
        self, statement: str, bindings: Mapping[str, Any], *, lane: Lane, resend: bool
    ) -> list[Any]:
        """See ``Line.ask``."""
        return await self._lines[lane].ask(statement, bindings, resend=resend)
