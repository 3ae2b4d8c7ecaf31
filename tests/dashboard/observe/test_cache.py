import asyncio

import pytest

from sp00ky_dashboard.observe import cache
from sp00ky_dashboard.observe.cache import Cache


async def test_many_who_ask_at_once_are_answered_by_one_question() -> None:
    asked, going_on = 0, asyncio.Event()

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await going_on.wait()
        return asked

    shared = Cache()
    leaving, *staying = [asyncio.create_task(shared.get("q", ask)) for _ in range(10)]
    await asyncio.sleep(0)
    leaving.cancel()
    going_on.set()
    assert await asyncio.gather(*staying) == [1] * 9
    assert await shared.get("q", ask) == 1
    assert await shared.get("other", ask) == 2
    shared.forget()
    assert await shared.get("q", ask) == 3


@pytest.mark.parametrize(("options", "fresh"), [({}, 1.0), ({"fresh": 60.0}, 60.0)])
async def test_an_answer_ages_as_fast_as_who_asks_says(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, float], fresh: float
) -> None:
    now, shared, answers = 0.0, Cache(), iter(range(10))
    monkeypatch.setattr(cache, "monotonic", lambda: now)

    async def ask() -> int:
        return next(answers)

    assert await shared.get("q", ask, **options) == 0
    now = fresh - 0.1
    assert await shared.get("q", ask, **options) == 0
    now = fresh + 0.1
    assert await shared.get("q", ask, **options) == 1


async def test_an_error_isn_t_kept() -> None:
    shared = Cache()

    async def fail() -> int:
        raise RuntimeError("boo")

    async def ask() -> int:
        return 7

    with pytest.raises(RuntimeError):
        await shared.get("q", fail)
    assert await shared.get("q", ask) == 7
