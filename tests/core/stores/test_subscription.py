import asyncio
from collections.abc import Callable

import pytest

from sp00ky_core.stores.subscription import Backoff, Broadcast, Subscription


class _Database:
    """Something to subscribe to, which can be away."""

    def __init__(self, broadcast: Broadcast) -> None:
        self.broadcast = broadcast
        self.away = False
        self.listening = asyncio.Event()
        self.tries = 0
        self.tried_often = asyncio.Event()
        self._lost = asyncio.Event()

    async def listen(self, ready: Callable[[], None]) -> None:
        self.tries += 1
        if self.away:
            if self.tries > 5:
                self.tried_often.set()
            raise ConnectionError("away")
        self._lost.clear()
        ready()
        self.listening.set()
        try:
            await self._lost.wait()
            raise ConnectionError("lost")
        finally:
            self.listening.clear()

    def lose(self) -> None:
        self._lost.set()


def _subscription(database: _Database) -> Subscription:
    backoff = Backoff(first=0.001, limit=0.002)
    return Subscription(database.broadcast, database.listen, describe=str, name="LISTEN", backoff=backoff)


@pytest.fixture
async def database() -> _Database:
    return _Database(Broadcast())


async def test_the_first_signal_comes_after_it_has_subscribed(database: _Database) -> None:
    signals = _subscription(database).subscribe()
    await anext(signals)
    assert database.listening.is_set()
    await signals.aclose()


async def test_it_is_let_go_of_with_the_last_listener(database: _Database) -> None:
    subscription = _subscription(database)
    first, second = subscription.subscribe(), subscription.subscribe()
    await anext(first)
    await anext(second)
    await first.aclose()
    assert database.listening.is_set()
    await second.aclose()
    assert not database.listening.is_set()


async def test_it_can_be_opened_again() -> None:
    broadcast = Broadcast()
    first = broadcast.subscribe()
    await anext(first)
    broadcast.close()
    with pytest.raises(StopAsyncIteration):
        await anext(first)

    broadcast.reopen()

    second = broadcast.subscribe()
    await anext(second)
    broadcast.send()
    await anext(second)
    await second.aclose()


async def test_a_wait_ends_with_a_signal_or_its_seconds_or_the_close() -> None:
    broadcast = Broadcast()
    await broadcast.wait(0.001)
    waiting = asyncio.create_task(broadcast.wait(60))
    await asyncio.sleep(0)
    broadcast.send()
    await waiting
    broadcast.close()
    await broadcast.wait(60)


@pytest.mark.parametrize(
    ("drawn", "waits"),
    [(1.0, [1, 2, 4, 5, 5]), (0.0, [0.5, 1, 2, 2.5, 2.5]), (0.5, [0.75, 1.5, 3, 3.75, 3.75])],
)
def test_waits_double_up_to_the_limit(drawn: float, waits: list[float]) -> None:
    backoff = Backoff(lambda: drawn, first=1, limit=5)
    assert [backoff.next() for _ in waits] == waits


def test_a_success_begins_again() -> None:
    backoff = Backoff(lambda: 1.0, first=1, limit=5)
    assert [backoff.next(), backoff.next()] == [1, 2]
    backoff.reset()
    assert backoff.next() == 1


async def test_it_waits_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("sp00ky_core.stores.subscription.asyncio.sleep", sleep)
    backoff = Backoff(lambda: 1.0, first=1, limit=5)
    await backoff.wait()
    await backoff.wait()
    assert slept == [1, 2]


@pytest.mark.parametrize("swallows", [1, 1_000])
async def test_what_swallows_cancellations_holds_up_no_close(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, swallows: int
) -> None:
    monkeypatch.setattr("sp00ky_core.stores.subscription.CANCEL_AGAIN", 0.01)
    monkeypatch.setattr("sp00ky_core.stores.subscription.LEFT_AFTER", 0.05)
    swallowed = 0

    async def listen(ready: Callable[[], None]) -> None:
        nonlocal swallowed
        ready()
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > swallows:
                    raise

    subscription = Subscription(Broadcast(), listen, describe=str, name="MINE")
    signals = subscription.subscribe()
    await anext(signals)
    task = subscription._task
    assert task is not None
    async with asyncio.timeout(10):
        await signals.aclose()
    left = swallows > 1
    assert (task.done(), swallowed > 1) == (not left, True)
    said = ["MINE doesn't end, however often it is cancelled: it is left behind"]
    assert caplog.messages == (said if left else [])
    swallowed = swallows
    task.cancel()
    await asyncio.wait([task])
