import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core import (
    JobStatus,
    RowRefused,
    SettleFate,
    Settlement,
    SettleResult,
    StoreUnavailable,
    Transition,
)
from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import AttemptError
from sp00ky_core.stores.refused_writes import (
    Quarantine,
    bisect,
    lesser_transitions,
    settle_with_less,
    write_around,
)

REFUSED = RowRefused(store="test", problem="no")
ENTRY = AttemptError(attempt=1, code=500, name="http_status", reason="")
RETRY = Transition(to=JobStatus.PENDING, retries=1, delay=2.0, error=ENTRY)
SUCCESS = Transition(to=JobStatus.SUCCESS, retries=0, result_json=b"{}")


@given(st.lists(st.booleans(), max_size=40))
async def test_bisect_writes_all_but_the_bad_ones_in_order(bad: list[bool]) -> None:
    written: list[int] = []

    async def write(items: Sequence[int]) -> list[str]:
        if any(bad[item] for item in items):
            raise REFUSED
        written.extend(items)
        return [f"written {item}" for item in items]

    async def alone(item: int, error: StoreError) -> list[str]:
        assert error is REFUSED
        return [f"refused {item}"]

    results = await bisect(range(len(bad)), write, alone)

    assert results == [f"{'refused' if is_bad else 'written'} {n}" for n, is_bad in enumerate(bad)]
    assert written == [n for n, is_bad in enumerate(bad) if not is_bad]


async def test_what_is_refused_is_reported_beside_what_was_written() -> None:
    async def write(items: Sequence[int]) -> list[str]:
        if 3 in items:
            raise REFUSED
        return [f"written {item}" for item in items if item]

    results, refused = await write_around(range(5), write)

    assert results == ["written 1", "written 2", "written 4"]
    assert refused == {3: REFUSED}


async def test_bisect_raises_what_is_no_rows_fault() -> None:
    away = StoreUnavailable(store="test", problem="gone")

    async def write(items: Sequence[int]) -> list[str]:
        raise away

    async def alone(item: int, error: StoreError) -> list[str]:
        raise AssertionError(item)

    with pytest.raises(StoreUnavailable) as caught:
        await bisect([1, 2], write, alone)
    assert caught.value is away


def test_lesser_transitions_end_with_a_failure() -> None:
    lesser = list(lesser_transitions(SUCCESS, "a\0b"))

    assert [transition.to for transition in lesser] == [JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.FAILED]
    assert lesser[0].result_json is None
    assert lesser[1].error is not None
    assert lesser[1].error.name == "invalid_row"
    assert lesser[1].error.reason == "a\ufffdb"
    assert lesser[2].error is None


@pytest.mark.parametrize("takes", range(1, 4))
async def test_settle_with_less_says_what_was_written(takes: int) -> None:
    tries: list[Transition] = []

    async def write(settlement: Settlement) -> SettleResult:
        tries.append(settlement.transition)
        if len(tries) < takes:
            raise REFUSED
        return SettleResult(job_id=settlement.job_id, fate=SettleFate.SETTLED)

    settlement = Settlement(job_id="job:1", backend="api", epoch=1, runner_id="r", transition=RETRY)
    result = await settle_with_less(settlement, "no", write)

    assert result == SettleResult(
        job_id="job:1", fate=SettleFate.SETTLED, problem="no", written=tries[takes - 1]
    )


async def test_settle_with_less_gives_up_where_nothing_is_taken() -> None:
    async def write(settlement: Settlement) -> SettleResult:
        raise REFUSED

    settlement = Settlement(job_id="job:1", backend="api", epoch=1, runner_id="r", transition=RETRY)
    assert await settle_with_less(settlement, "no", write) is None


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_quarantine_logs_a_row_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    clock = _Clock()
    quarantine = Quarantine(clock)
    caplog.set_level(logging.ERROR)

    quarantine.add("claimed", ["job:1", "job:2", "job:3"], "CHECK")
    quarantine.add("claimed", ["job:1"], "CHECK")
    assert [record.getMessage() for record in caplog.records] == [
        "job job:1 and 2 more can't be claimed, the database refuses it: CHECK"
    ]
    clock.now += Quarantine.QUIET
    quarantine.add("claimed", ["job:1"], "CHECK")
    assert len(caplog.records) == 2


def test_quarantine_lets_a_row_rest_and_gives_it_another_chance() -> None:
    clock = _Clock()
    quarantine = Quarantine(clock)
    quarantine.add("claimed", ["job:1"], "CHECK")
    quarantine.add("claimed", ["job:2"], "CHECK", seconds=2.0)
    quarantine.add("settled", ["job:3"], "CHECK")

    assert quarantine.resting("claimed") == ["job:1", "job:2"]
    clock.now += 2.0
    assert quarantine.resting("claimed") == ["job:1"]
    quarantine.clear("claimed")
    assert quarantine.resting("claimed") == []
    assert quarantine.resting("settled") == ["job:3"]


def test_quarantine_is_bounded() -> None:
    quarantine = Quarantine()
    quarantine.add("claimed", [f"job:{n}" for n in range(Quarantine.MOST + 500)], "CHECK")
    resting = quarantine.resting("claimed")
    assert len(resting) == Quarantine.MOST
    assert resting[-1] == f"job:{Quarantine.MOST + 499}"
