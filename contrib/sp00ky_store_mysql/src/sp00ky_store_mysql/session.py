"""Run a transaction on a connection to MySQL or MariaDB; another one asks whether it is at work."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

from asyncmy.converters import escape_string

from sp00ky_core.errors import RowRefused, StoreError, StoreUnavailable
from sp00ky_store_kit import AsyncSession
from sp00ky_store_mysql.dialect import COLLATIONS, MysqlDialect
from sp00ky_store_mysql.errors import READ_ONLY, is_full

__all__ = ["PATIENCE", "SILENCE", "MysqlSession", "collation_of"]

SHORT = 250_000
"""Characters that fit any packet that a server takes, however they are escaped."""

OLDEST = {"MariaDB": (10, 11), "MySQL": (8, 0)}

READS = ("SELECT", "WITH", "VALUES")
"""Words that a query begins with."""

PATIENCE = 5
"""Seconds that a transaction waits for another one's lock, or for a connection."""

SILENCE = 2
"""Seconds without an answer, after which a connection is doubted."""

THREAD = "SELECT id FROM information_schema.processlist WHERE id = %s AND host = %s"
"""Asks for a thread by more than its number, which may be another one's on a server that was restarted."""


def collation_of(version: str, store: str) -> str:
    """Return the collation that a server has for keys. Raises ``StoreError`` where the server is too old."""
    kind = "MariaDB" if "MariaDB" in version else "MySQL"
    numbers = re.search(r"(\d+)\.(\d+)", version.removeprefix("5.5.5-"))
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST[kind]:
        needed = f"{kind} {'.'.join(map(str, OLDEST[kind]))} or newer is needed"
        raise StoreError(store=store, problem=f"the server is too old: {needed}, and it is {version}")
    return COLLATIONS[kind]


class MysqlSession(MysqlDialect, AsyncSession):
    """A session on an asyncmy or an aiomysql connection.

    Attributes:
        thread: What the server has for it, and whence it was reached; on the store's own connections.
        another: Opens another connection like it, to the same server.
    """

    thread: Sequence[Any]
    another: Callable[[], Awaitable[MysqlSession]]

    async def refuse_unfit(self) -> None:
        """Raise where another server is to be asked: this one takes no writes, or no work at all."""
        await self.execute("START TRANSACTION")
        ((read_only,),), _ = await self.execute("SELECT @@global.read_only")
        await self.execute("ROLLBACK")
        if read_only:
            raise StoreUnavailable(store="the server", problem=READ_ONLY)

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> int:
        """See ``SqlSession.execute_many``: a row that is too long costs no connection."""
        rows = list(parameters)
        for row in rows:
            texts = [each for each in row if isinstance(each, str)]
            if sum(map(len, texts)) > SHORT:
                await self._refuse_too_long(sum(len(escape_string(each).encode()) for each in texts))
        return await super().execute_many(text, rows)

    async def _refuse_too_long(self, size: int) -> None:
        rows, _ = await self.execute("SELECT @@max_allowed_packet")
        if size + SHORT > int(rows[0][0]):
            problem = f"a row of {size} bytes doesn't fit max_allowed_packet, which is {rows[0][0]}"
            raise RowRefused(store="the database", problem=problem)

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``: it is prepared, so that it is one statement and no more.

        A definition isn't kept from by a transaction that only reads: what the query begins with is.
        """
        if not text.lstrip(" \t\r\n(").upper().startswith(READS):
            raise ValueError(f"it begins with none of {', '.join(READS)}")
        await self.execute("PREPARE sp00ky FROM %s", (text,))
        return await super().query("EXECUTE sp00ky", limit)

    async def close(self) -> None:
        """See ``AsyncSession.close``."""
        await self.connection.ensure_closed()

    async def is_at_work(self) -> bool:
        """See ``AsyncSession.is_at_work``: a server that takes no more connections may be."""
        try:
            return await self._asked(f"{THREAD} AND (command <> 'Sleep' OR time < {SILENCE})")
        except Exception as error:
            if is_full(error):
                return True
            raise

    async def abandon(self) -> None:
        """See ``AsyncSession.abandon``: the server would go on until the end of the statement."""
        self.connection.close()
        await self._asked(THREAD, end=True)

    async def _asked(self, text: str, *, end: bool = False) -> bool:
        """Whether there is such a thread, which may be ended."""
        async with asyncio.timeout(PATIENCE):
            other = await self.another()
            with closing(other.connection):
                rows, _ = await other.execute(text, self.thread)
                if rows and end:
                    await other.execute(f"KILL {rows[0][0]}")
                return bool(rows)
