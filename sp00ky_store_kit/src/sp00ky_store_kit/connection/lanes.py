"""Run transactions to their end, whatever becomes of their callers, each on a connection of its lane."""

from __future__ import annotations

import asyncio
import random
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from threading import Condition
from typing import Any, TypeVar

import attrs

from sp00ky_core.errors import RowRefused, StoreClosed
from sp00ky_core.ports import QUERY_SECONDS
from sp00ky_core.stores.without_waiting import finished
from sp00ky_store_kit.connection.session import Access, Session, Work, translating
from sp00ky_store_kit.connection.sql import DriverSession, Reply

__all__ = ["AsyncLane", "AsyncSession", "BlockingLane", "Executor", "InLanes", "WriterGate"]

T = TypeVar("T")


@attrs.define(eq=False, slots=False)
class Executor:
    """Does work in transactions.

    A caller that is cancelled goes on at once, while the transaction comes to its own end: nothing is left
    open, and what has been written is known to ``claims_ended`` and ``close``.

    Args:
        run: Runs work in a transaction: ``TransactionalStore.run``.
        translate: Turns a driver's error into a ``StoreError``.
        location: Where the store is: ``Store.location``.
        cancels: ``run`` is cancelled with its caller: see ``Primitives.cancels``.
    """

    _run: Callable[[Work[Any], Access], Coroutine[Any, Any, Any]]
    _translate: Callable[[Exception], Exception]
    _location: Callable[[], str]
    _cancels: bool = attrs.field(default=False, kw_only=True)
    is_open: bool = attrs.field(default=False, init=False)
    _running: set[asyncio.Future[Any]] = attrs.field(factory=set, init=False)
    _claiming: set[asyncio.Future[Any]] = attrs.field(factory=set, init=False)

    def open(self) -> None:
        """Take work, again if it was closed."""
        self.is_open = True

    async def close(self) -> None:
        """Take no more work, and wait for all that has begun."""
        self.is_open = False
        while self._running:
            await asyncio.wait(self._running)

    async def read(self, work: Work[T]) -> T:
        """Do work that writes nothing."""
        return await self.do(work, Access.READ)

    async def write(self, work: Work[T]) -> T:
        """Do work that writes."""
        return await self.do(work, Access.WRITE)

    async def do(self, work: Work[T], access: Access, *, claims: bool = False) -> T:
        """Do work in a transaction of its own; a driver's errors are translated.

        Raises:
            StoreClosed: It isn't open.
        """
        if not self.is_open:
            raise StoreClosed(store=self._location())
        begin = partial(self._run, work, access)
        running: asyncio.Future[T] = asyncio.ensure_future(translating(begin(), self._translate))
        for kept in (self._running, self._claiming) if claims else (self._running,):
            kept.add(running)
            running.add_done_callback(kept.discard)
        running.add_done_callback(_retrieve)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if self._cancels:
                running.cancel()
            raise

    async def isolated(self, work: Callable[[bool], Work[T]], *, claims: bool = False) -> T:
        """Write rows together; where one is refused, do it again with each in a savepoint of its own.

        Args:
            work: Makes the work; its argument is whether rows are written apart.
            claims: ``claims_ended`` waits for it.
        """
        try:
            return await self.do(work(False), Access.WRITE, claims=claims)
        except RowRefused:
            return await self.do(work(True), Access.WRITE, claims=claims)

    async def claims_ended(self) -> None:
        """Wait for the claims that have begun, those of cancelled callers included."""
        while self._claiming:
            await asyncio.wait(self._claiming)

    def within(self, session: Session, work: Work[T]) -> Coroutine[Any, Any, T]:
        """Do work in a caller's transaction, which goes on."""

        async def joined() -> T:
            await session.join()
            result = await work(session)
            await session.leave()
            return result

        return translating(joined(), self._translate)


def _retrieve(running: asyncio.Future[Any]) -> None:
    """Take an error that no caller waits for any more, for its caller was cancelled."""
    with suppress(asyncio.CancelledError):
        running.exception()


TRIES = 5
"""How often a transaction is begun again that others hold up."""

GOODBYE = 1.0
"""Seconds that connections get to be closed."""

PAUSE = 0.02
"""Seconds that the first of these waits for the others, at most; each later one waits twice as long."""


class AsyncSession(DriverSession):
    """A session on a PEP 249 connection whose calls are awaited."""

    async def execute(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        """See ``SqlSession.execute``."""
        async with self.cursor() as cursor:
            await cursor.execute(text, *([parameters] if parameters else []))
            return (await cursor.fetchall() if cursor.description else ()), cursor.rowcount

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> int:
        """See ``SqlSession.execute_many``."""
        async with self.cursor() as cursor:
            await cursor.executemany(text, list(parameters))
            return int(cursor.rowcount)

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``."""
        try:
            async with asyncio.timeout(QUERY_SECONDS), self.cursor() as cursor:
                await cursor.execute(text)
                names = [column[0] for column in cursor.description or ()]
                rows = await cursor.fetchmany(limit) if names else ()
                return [dict(zip(names, row, strict=True)) for row in rows]
        except TimeoutError as error:
            raise ValueError(f"it takes longer than {QUERY_SECONDS:.0f} seconds") from error

    async def close(self) -> None:
        """See ``DriverSession.close``."""
        await self.connection.close()


@attrs.define(eq=False, slots=False)
class AsyncLane:
    """Some connections, each of which does one transaction at a time.

    A connection that can't begin a transaction is replaced, once for each transaction. One that can't roll
    back, for it is lost or was cut off, is abandoned. Where one is lost, those that are idle are closed, too.

    Args:
        connect: Opens a connection.
        begin: The statement that begins a transaction.
        size: How many connections there are, at most.
        conflicts: Whether what was raised is that others were in the way: the work is done again.
        unfit: Whether what was raised is that another server is to be asked by now: the connection is
            closed.
        doubted_after: Seconds after which a transaction's server is asked whether it is at work, again and
            again; where it isn't, the connection has fallen silent: ``TimeoutError``. To begin and to roll
            back takes no longer. None: however long it takes, it is waited for.
    """

    _connect: Callable[[], Awaitable[DriverSession]]
    _begin: str
    _size: int = attrs.field(default=1, kw_only=True)
    _conflicts: Callable[[Exception], bool] = attrs.field(default=lambda error: False, kw_only=True)
    _unfit: Callable[[BaseException], bool] = attrs.field(default=lambda error: False, kw_only=True)
    _doubted_after: float | None = attrs.field(default=None, kw_only=True)
    _idle: list[DriverSession] = attrs.field(factory=list, init=False)
    _free: asyncio.Semaphore = attrs.field(init=False)

    @_free.default
    def _all_free(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self._size)

    async def run(self, work: Work[T]) -> T:
        """Do the work in a transaction. What it raises rolls back, and comes as it is."""
        for tries in range(1, TRIES):
            try:
                return await self._run(work)
            except Exception as error:
                if not self._conflicts(error):
                    raise
            await asyncio.sleep(PAUSE * 2**tries * random.random())  # noqa: S311  # no secret
        return await self._run(work)

    async def close(self) -> None:
        """Close the connections; one that doesn't say goodbye is left."""
        idle, self._idle = self._idle, []
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await asyncio.gather(*(session.close() for session in idle), return_exceptions=True)

    async def _run(self, work: Work[T]) -> T:
        async with self._free:
            return await self._transact(work)

    async def _transact(self, work: Work[T]) -> T:
        session = await self._begun()
        try:
            async with self._doubted(session):
                result = await work(session)
                await session.execute("COMMIT")
        except BaseException as error:
            await (self._give_up if self._unfit(error) else self._roll_back)(session)
            raise
        self._idle.append(session)
        return result

    @asynccontextmanager
    async def _doubted(self, session: DriverSession) -> AsyncIterator[None]:
        if self._doubted_after is None:
            yield
            return
        doubts: list[asyncio.Task[None]] = []
        async with asyncio.timeout(None) as silence:
            doubt = partial(self._doubt, session, silence, self._doubted_after)
            timer = asyncio.get_running_loop().call_later(
                self._doubted_after, lambda: doubts.append(asyncio.create_task(doubt()))
            )  # most transactions end before, and need no task
            try:
                yield
            finally:
                timer.cancel()
                for task in doubts:
                    task.cancel()

    async def _doubt(self, session: DriverSession, silence: asyncio.Timeout, seconds: float) -> None:
        with suppress(Exception):  # a server that can't be asked isn't at work
            while await session.is_at_work():  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(seconds)
        await self.close()
        silence.reschedule(0)

    async def _begun(self) -> DriverSession:
        if self._idle:
            with suppress(Exception):  # whatever it is, a new connection tells whether it was this one
                return await self._begin_on(self._idle.pop())
            if self._idle:
                await self.close()
        return await self._begin_on(await self._connect())

    async def _begin_on(self, session: DriverSession) -> DriverSession:
        try:
            await self._soon(session, self._begin)
        except BaseException:  # its caller was cancelled, for one
            await self._give_up(session)
            raise
        return session

    async def _soon(self, session: DriverSession, text: str) -> None:
        if self._doubted_after is None:
            await session.execute(text)
            return
        async with asyncio.timeout(self._doubted_after):
            await session.execute(text)

    async def _roll_back(self, session: DriverSession) -> None:
        try:
            await self._soon(session, "ROLLBACK")
        except Exception:  # noqa: BLE001  # there is no transaction any more, or no connection
            await self._give_up(session)
        else:
            self._idle.append(session)

    async def _give_up(self, session: DriverSession) -> None:
        with suppress(Exception):
            await session.abandon()


class WriterGate:
    """Lets a process's writers at the database one by one, those in a hurry first.

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


class BlockingLane(AsyncLane):
    """One connection whose calls block, in a thread of its own: nothing that is awaited there suspends.

    Args:
        connect: Opens a connection, in its thread.
        begin: The statement that begins a transaction.
        passing: What a transaction passes before it begins, such as a ``WriterGate``.
    """

    def __init__(
        self, connect: Callable[[], DriverSession], begin: str, passing: Callable[[], Any] = suppress
    ) -> None:
        async def connected() -> DriverSession:
            return connect()

        super().__init__(connected, begin)
        self._passing = passing
        self._thread: ThreadPoolExecutor | None = None

    async def run(self, work: Work[T]) -> T:
        """See ``AsyncLane.run``."""
        self._thread = self._thread or ThreadPoolExecutor(1, "sp00ky-store")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_turn, work)

    def _in_turn(self, work: Work[T]) -> T:
        with self._passing():
            return finished(self._transact(work))

    async def close(self) -> None:
        """See ``AsyncLane.close``; the thread ends."""
        thread, self._thread = self._thread, None
        if thread is not None:
            for session in self._idle:
                await asyncio.get_running_loop().run_in_executor(thread, finished, self._give_up(session))
            self._idle.clear()
            thread.shutdown(wait=False)


class InLanes:
    """Does each kind of work in a lane of its own: a base that stands before ``TransactionalStore``.

    Attributes:
        lanes: Its lanes.
    """

    lanes: Mapping[Access, AsyncLane]

    async def run(self, work: Work[T], access: Access) -> T:
        """See ``TransactionalStore.run``."""
        return await self.lanes[access].run(work)

    async def disconnect(self) -> None:
        """See ``TransactionalStore.disconnect``."""
        for lane in self.lanes.values():
            await lane.close()
