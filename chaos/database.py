"""What a chaos session wants of a database, and which ones there are."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from chaos.history import Move, Row

__all__ = ["Database", "Transactions"]

Transactions = Callable[[], AbstractAsyncContextManager[tuple[Any, Any]]]
"""Begins one: its connection, and what commits it or rolls it back."""


class Database(Protocol):
    """A database that can be broken."""

    why_no_restart: str
    """Empty where it may be restarted."""

    why_not_full: str
    """Empty where its disk can be filled."""

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the server itself, for a proxy."""

    def url(self, port: int) -> str:
        """A store's URL that goes by way of a proxy's port."""

    async def stop(self) -> None:
        """As a crash would."""

    async def start(self) -> None:
        """Return when it accepts connections; safe where it runs already."""

    def fill(self) -> None:
        """Leave no room on its disk."""

    def free(self) -> None:
        """Give the room back."""

    async def execute(self, script: str) -> None:
        """Run statements of the database's own language, as any client might."""

    async def record_moves(self) -> None:
        """From now on, record each change of a job; its tables are there."""

    async def moves(self) -> list[Move]:
        """What was recorded, in the order in which it was committed for each job."""

    async def rows(self) -> list[Row]:
        """Every job."""

    def transactions(self, url: str) -> Transactions | None:
        """Transactions of a caller's own; None where the store can't join one."""
