"""``sp00ky audit``: what operators have done, in pages."""

from typing import Any

import pytest
from tests.core.cli.conftest import Cli
from tests.core.cli.jobs.shelf import Shelf

KEYS = ["id", "at", "actor", "db_user", "via", "host", "action", "selection", "count", "reason", "ended_at"]


def reasons(listed: Any) -> list[str]:
    return [each["reason"] for each in listed["audit"]]


def test_entries_come_in_pages_the_latest_first(shelf: Shelf, sp00ky: Cli) -> None:
    for n in range(3):
        sp00ky("backends", "resume", "api", "--reason", str(n))
    first = sp00ky("audit", "--limit", "2", "--json").json
    assert list(first) == ["audit", "next"]
    assert [list(each) for each in first["audit"]] == [KEYS, KEYS]
    assert reasons(first) == ["2", "1"]
    assert first["next"] == first["audit"][-1]["id"]
    rest = sp00ky("audit", "--limit", "2", "--after", first["next"], "--json").json
    assert (reasons(rest), rest["next"]) == (["0"], None)
    assert reasons(sp00ky("audit", "--since", "1h", "--json").json) == ["2", "1", "0"]
    assert sp00ky("audit", "--since", "9000-01-01T00:00:00Z", "--json").json["audit"] == []
    shown = sp00ky("audit", "--limit", "1")
    assert shown.err == f"there are more: --after {sp00ky('audit', '--json').json['audit'][0]['id']}\n"


@pytest.mark.parametrize("wrong", [["--since", "yesterday"], ["--limit", "0"], ["--limit", "10001"]])
def test_a_page_that_cannot_be_is_refused(shelf: Shelf, sp00ky: Cli, wrong: list[str]) -> None:
    assert sp00ky("audit", *wrong).complaint(2)
