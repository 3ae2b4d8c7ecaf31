"""Failed attempts in the log: a line for each, and many of a kind in one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import pytest

from sp00ky_core.outcome import THROTTLED, Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt
from sp00ky_core.runner.failure_log import MOST, WINDOW


async def test_many_bad_rows_are_summed_up(make_bench, caplog: pytest.LogCaptureFixture) -> None:
    bench = await make_bench()
    jobs = [await bench.add("//evil.test/x") for _ in range(MOST + 7)]
    async with bench.runner():
        for each in jobs:
            await bench.ended(each)
    told = [record.getMessage() for record in caplog.records if "invalid_path" in record.getMessage()]
    assert len(told) == MOST + 1
    assert told[-1] == f"7 more jobs of api failed within {WINDOW:.0f} s: invalid_path"


def throttled(after: float | None = 0.01, code: int = 429) -> Undelivered:
    return Undelivered(name=THROTTLED, code=code, reason="slow down", retry_after=after)


class Backend:
    """Answers with these outcomes in turn, then takes everything."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self.outcomes = deque(outcomes)
        self.requests = 0

    def __call__(self, attempt: Attempt) -> Outcome:
        if attempt.backend.name != "api":
            return Delivered()
        self.requests += 1
        return self.outcomes.popleft() if self.outcomes else Delivered()


async def test_throttled_answers_are_summed_up_in_the_log(
    make_bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bench = await make_bench(Backend([throttled() for _ in range(8)]))
    async with bench.runner():
        await bench.ended(await bench.add())
    lines = [record.getMessage() for record in caplog.records]
    about = [line for line in lines if "throttled" in line]
    assert "is deferred for" in about[0]
    assert "attempt" not in about[0]
    assert about[1:] == [f"7 more jobs of api are deferred within {WINDOW:.0f} s: throttled"]
    assert len([line for line in lines if "left alone" in line]) == 1
