"""Waits double up to a limit, each drawn from its upper half, and begin again after a success."""

import pytest

from sp00ky_core.stores.backoff import Backoff


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

    monkeypatch.setattr("sp00ky_core.stores.backoff.asyncio.sleep", sleep)
    backoff = Backoff(lambda: 1.0, first=1, limit=5)
    await backoff.wait()
    await backoff.wait()
    assert slept == [1, 2]
