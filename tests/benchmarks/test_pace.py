"""How fast the machine is, between measurements, and what is said of that beside a ratio."""

import attrs
import pytest
from benchmarks import pace
from benchmarks.measure import Sample, in_turns, nothing
from benchmarks.report import Bound, Section
from benchmarks.report.results import merged
from benchmarks.report.tables import goals_table


async def test_the_loop_is_timed_before_each_contender() -> None:
    async def contender() -> Sample:
        return Sample(jobs=1, seconds=1, cpu_seconds=1)

    pace.taken()
    await in_turns({"one": contender, "other": contender}, 2, before=nothing)
    looks = pace.taken()
    assert len(looks) == 4
    assert min(looks) > 0
    assert pace.taken() == []


def test_it_has_moved_by_what_the_slowest_took_longer_than_the_fastest() -> None:
    assert pace.moved([0.02, 0.025, 0.02]) == pytest.approx(0.25)
    assert pace.moved([]) == 0


def test_the_worst_round_s_is_beside_the_goal() -> None:
    bound = Bound(what="ours to theirs", measured=1.5, at_least=1.2)
    section = Section(title="HTTP", rows=[{"": "ours", "jobs/s": 1.0}], bounds=[bound])
    rounds = [attrs.asdict(attrs.evolve(section, moved=moved)) for moved in (0.03, 0.12)]
    assert goals_table(merged("http", rounds).goals).endswith("| yes | 12% |")
    del rounds[1]["moved"]  # as version 0.3 has kept it
    assert goals_table(merged("http", rounds).goals).endswith("| yes | 3% |")
