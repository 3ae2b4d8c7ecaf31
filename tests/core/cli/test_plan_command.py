"""``sp00ky plan``, as it is called."""

from pathlib import Path

import pytest
from tests.core.cli.conftest import Cli


def test_a_forecast_needs_no_configuration(folder: Path, sp00ky: Cli) -> None:
    ended = sp00ky("plan", "--strategy", "exponential", "--max-retries", "8", "--jobs", "300")
    assert ended.code == 0
    assert ended.out.startswith("300 jobs, enqueued evenly while their backend is down for 30m.\n")
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "\x1b" not in ended.out


def test_json_says_what_was_assumed(folder: Path, sp00ky: Cli) -> None:
    found = sp00ky("plan", "--json", "--jobs", "50", "--outage", "90", "--base", "2", "--cap", "7").json
    assert found["plan"]["outage_s"] == 90
    assert (found["plan"]["jobs"], found["plan"]["concurrency"]) == (50, 50)
    assert found["plan"]["retry"] | {"base": 2.0, "cap": 7.0, "max_retries": 3} == found["plan"]["retry"]
    assert {case["failure"] for case in found["forecasts"]} == {"refused", "timeout", "503", "500", "429"}
    assert all(case["delivered"] + case["failed"] == 50 for case in found["forecasts"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--outage", "0"], "from 1s to 30d"),
        (["--outage", "31d"], "from 1s to 30d"),
        (["--outage", "soon"], "isn't a duration"),
        (["--jobs", "0"], "--jobs"),
        (["--jobs", "100000", "--max-retries", "1000"], "fewer --jobs"),
        (["--max-retries", "-1"], "--max-retries"),
        (["--strategy", "exponental"], "did you mean 'exponential'"),
        (["--base", "nan"], "--base"),
        (["--factor", "0"], "--factor"),
        (["--latency", "0"], "--latency"),
        (["--backend", "apj"], "did you mean 'api'"),
    ],
)
def test_bad_values_are_a_line(project: Path, sp00ky: Cli, arguments: list[str], said: str) -> None:
    assert said in sp00ky("plan", *arguments).complaint(2)
