"""The arithmetic of the benchmarks, and how contenders take turns."""

import pytest
from benchmarks.measure import Sample, in_turns, median_ratio, nothing, percentile


def sample(seconds: float) -> Sample:
    return Sample(jobs=100, seconds=seconds, cpu_seconds=0.01, database_cpu_seconds=0.002)


def test_a_sample_is_told_by_the_second_and_by_the_job() -> None:
    assert sample(2.0).rate == 50
    assert sample(2.0).cpu_us == pytest.approx(100)
    assert sample(2.0).database_cpu_us == pytest.approx(20)


def test_a_database_that_cannot_be_seen_has_no_figure() -> None:
    assert Sample(jobs=1, seconds=1, cpu_seconds=1).database_cpu_us is None


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    samples = {
        "ours": [sample(1.0), sample(10.0), sample(1.0)],  # the second round was slow for both
        "theirs": [sample(2.0), sample(20.0), sample(4.0)],
    }
    assert median_ratio(samples, "ours", "theirs") == pytest.approx(2)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0.5) == 51
    assert percentile(values, 0.99) == 100
    assert percentile([3.0], 0.99) == 3


async def test_each_contender_has_one_turn_a_round_after_what_precedes_it() -> None:
    turns: list[str] = []

    async def before() -> None:
        turns.append("before")

    async def one() -> Sample:
        turns.append("one")
        return sample(1.0)

    async def other() -> Sample:
        turns.append("other")
        return sample(2.0)

    samples = await in_turns({"one": one, "other": other}, 3, before=before)

    assert turns[::2] == ["before"] * 6
    assert [sorted(turns[start : start + 4]) for start in (0, 4, 8)] == [
        ["before", "before", "one", "other"]
    ] * 3
    assert [len(rounds) for rounds in samples.values()] == [3, 3]
    assert await in_turns({"one": one}, 1, before=nothing) == {"one": [sample(1.0)]}
