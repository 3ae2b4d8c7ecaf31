"""Rounds are kept, a broken-off run is resumed, and rounds are joined."""

from pathlib import Path

import attrs
from benchmarks.measure import Sample
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.report.results import Results, Spread, merged

ABOUT = {"CPU": "one", "commit": "abc"}


def section(rate: float, *, ratio: float = 1.5) -> Section:
    samples = {"ours": [Sample(jobs=100, seconds=100 / rate, cpu_seconds=0.1)]}
    return Section(
        title="Delivery",
        rows=rate_rows(samples),
        bounds=[Bound(what="to theirs", measured=ratio, at_least=1.3)],
        note="100 jobs.",
        rounds=samples,
    )


def test_a_run_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    first = Results(tmp_path / "full")
    first.begin(ABOUT, resume=True)
    first.keep("delivery", 1, section(100))

    again = Results(tmp_path / "full")
    again.begin(ABOUT, resume=True)

    assert again.has("delivery", 1)
    assert not again.has("delivery", 2)
    assert again.about() == ABOUT


def test_rounds_are_joined_to_medians_with_their_limits(tmp_path: Path) -> None:
    results = Results(tmp_path / "full")
    results.begin(ABOUT, resume=True)
    for number, (rate, ratio) in enumerate([(100, 1.2), (300, 1.4), (200, 1.6)], 1):
        results.keep("delivery", number, section(rate, ratio=ratio))

    found = results.found("delivery")

    assert found is not None
    assert (found.rounds, found.title) == (3, "Delivery")
    spread = found.rows["ours"]["jobs/s"]
    assert isinstance(spread, Spread)
    assert [round(value) for value in attrs.astuple(spread)] == [200, 100, 300]
    [goal] = found.goals
    assert attrs.astuple(goal.measured) == (1.4, 1.2, 1.6)
    assert goal.is_met


def test_the_median_has_to_meet_the_goal() -> None:
    rounds = [attrs.asdict(section(100, ratio=ratio)) for ratio in (2.0, 1.2, 1.25)]
    [goal] = merged("delivery", rounds).goals
    assert not goal.is_met
