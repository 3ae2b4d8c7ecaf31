"""Run transactions on blocking (PEP 249) connections, each in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Condition
from typing import Any, TypeVar, cast

from sp00ky_core.stores.callers.blocking import finished
from sp00ky_core.stores.transactional.connection.session import Session, Work
from sp00ky_core.stores.transactional.connection.sql import Reply, SqlSession

__all__ = ["BlockingSession", "BlockingLane", "WriterGate"]

T = TypeVar("T")


class BlockingSession(SqlSession):
    """A session on a PEP 249 connection; its calls block the thread that they are made in."""

    blocks = True

    def __init__(self, connection: Any, translate: Callable[[Exception], Exception]) -> None:
        super().__init__(translate)
        self.connection = connection

    def cursor(self) -> Any:
        """Return a new cursor, whose rows are sequences."""
        return self.connection.cursor()

    async def execute(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        """See ``SqlSession.execute``."""
        cursor = self.cursor()
        try:
            cursor.execute(text, *([parameters] if parameters else []))
            return (cursor.fetchall() if cursor.description else ()), cursor.rowcount
        finally:
            cursor.close()

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``."""
        cursor = self.cursor()
        try:
            cursor.execute(text)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(limit)] if names else []
        finally:
            cursor.close()

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> None:
        """See ``SqlSession.execute_many``."""
        cursor = self.cursor()
        try:
            cursor.executemany(text, parameters)
        finally:
            cursor.close()


class WriterGate:
    """Lets one of a process's writers at the database at a time, those in a hurry first.

    For databases with one writer at a time: waiting here costs nothing and is fair, while a database's own
    wait for its lock is often a poll, which a busy writer next door would keep from ever being served.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._hurrying = 0
        self._taken = False

    @contextmanager
    def passed(self, *, hurry: bool = False) -> Iterator[None]:
        """Wait for one's turn, and have it until the end of the block."""
        with self._condition:
            self._hurrying += hurry
            self._condition.wait_for(lambda: not self._taken and (hurry or not self._hurrying))
            self._hurrying -= hurry
            self._taken = True
        try:
            yield
        finally:
            with self._condition:
                self._taken = False
                self._condition.notify_all()


class BlockingLane:
    """One connection and its thread, in which one transaction follows the other.

    A connection that can't begin a transaction is replaced, once for each transaction.

    Args:
        connect: Opens a connection, in its thread.
        begin: The statement that begins a transaction.
        passing: What a transaction passes before it begins, such as a ``WriterGate``.
    """

    def __init__(
        self,
        connect: Callable[[], BlockingSession],
        begin: str,
        passing: Callable[[], Any] = suppress,
    ) -> None:
        self._connect = connect
        self._begin = begin
        self._passing = passing
        self._session: BlockingSession | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def run(self, work: Work[T]) -> T:
        """Do the work in a transaction. What it raises rolls back, and comes as it is."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "sp00ky-store")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    async def close(self) -> None:
        """Close the connection and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._disconnect)
            thread.shutdown(wait=False)

    def _transact(self, work: Work[T]) -> T:
        with self._passing():
            session = self._begun()
            try:
                result: T = finished(work(session))
                finished(session.execute("COMMIT"))
            except BaseException:
                self._roll_back(session)
                raise
            return result

    def _begun(self) -> BlockingSession:
        session = self._session
        if session is not None:
            try:
                finished(session.execute(self._begin))
            except Exception:  # noqa: BLE001  # whatever it is, a new connection tells whether it was this one
                self._disconnect()
            else:
                return session
        self._session = session = self._connect()
        try:
            finished(session.execute(self._begin))
        except BaseException:
            self._disconnect()
            raise
        return session

    def _roll_back(self, session: Session) -> None:
        try:
            finished(cast("BlockingSession", session).execute("ROLLBACK"))
        except Exception:  # noqa: BLE001  # there is no transaction any more, or no connection
            self._disconnect()

    def _disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(Exception):
                session.connection.close()
