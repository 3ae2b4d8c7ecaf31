"""What the document says of a run."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from benchmarks.measure import Sample
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.report.chart import Series, chart
from benchmarks.report.document import BEGIN, END, printed, quoted, replaced
from benchmarks.report.results import Results, Spread
from benchmarks.report.tables import shown


@pytest.fixture
def results(tmp_path: Path) -> Results:
    results = Results(tmp_path)
    results.begin({"CPU": "one"}, resume=False)
    for number, rate in enumerate((10_000, 12_000, 11_000), 1):
        samples = {
            name: [Sample(jobs=rate, seconds=each, cpu_seconds=1)]
            for name, each in (("ours", 1), ("pgqueuer", 2))
        }
        bounds = [
            Bound(what="to pgqueuer", measured=number / 2, at_least=1.2),
            Bound(what="p99", measured=3.0),
        ]
        rows = rate_rows(samples, "pgqueuer")
        results.keep(
            "delivery", number, Section(title="HTTP delivery", rows=rows, bounds=bounds, note="All.")
        )
    return results


def test_goals_have_their_median_limits_and_verdict(results: Results) -> None:
    text = printed(results, ["delivery", "not measured"])
    assert "| to pgqueuer | ≥ 1.2 | 1 | 0.5 | 1.5 | **no** |" in text
    assert "| p99 | reported | 3 | 3 | 3 |  |" in text


def test_a_table_says_what_a_peer_does_less(results: Results) -> None:
    lines = printed(results, ["delivery"]).splitlines()
    [ours] = [line for line in lines if line.startswith("| ours |")]
    [theirs] = [line for line in lines if line.startswith("| pgqueuer |")]
    assert ours.startswith("| ours | 11,000 (10,000 to 12,000) |")
    assert ours.endswith("| 2 |  |")
    assert "| 5,500 (5,000 to 6,000) |" in theirs
    assert "deletes the row" in theirs
    assert "All. 3 rounds." in lines


def test_the_readme_quotes_the_rates(results: Results) -> None:
    found = results.found("delivery")
    assert found is not None
    assert quoted({"delivery": found}).splitlines() == [
        "|  | delivered/s, one process |",
        "| --- | ---: |",
        "| ours | 11,000 |",
        "| pgqueuer | 5,500 |",
    ]


def test_the_chart_has_a_bar_for_each_number() -> None:
    spread = Spread(median=2000, least=1000, most=3000)
    series = [
        Series(name="one process", colour="#000", bars={"ours": spread, "a & b": spread}),
        Series(name="two processes", colour="#111", bars={"ours": spread}),
    ]
    drawn = ElementTree.fromstring(chart("Rates", series))  # noqa: S314  # it is ours
    texts = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("2,000") == 3
    assert {"ours", "a & b", "one process", "two processes"} <= set(texts)
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}line"))) == 3


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert replaced(document, "new\n") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="lacks the lines"):
        replaced("nothing", "new")


def test_numbers_have_three_digits() -> None:
    assert [shown(each) for each in (12345.6, 99.96, 1.2345, 0.01234)] == ["12,346", "100", "1.23", "0.0123"]
