"""``sp00ky jobs stats | errors``."""

from typing import Any

from tests.core.cli.jobs.conftest import Call
from tests.core.cli.jobs.shelf import Shelf, ended

from sp00ky_core.job.outcome import Delivered, Undelivered

LATE = Undelivered(name="timeout", code=0, reason="late", retryable=False)


def test_stats_have_the_documented_keys(ended: tuple[str, str], call: Call, sp00ky: Any) -> None:
    call()
    stats = sp00ky("jobs", "stats", "--json").json
    assert list(stats) == ["backends"]
    api = stats["backends"]["api"]
    assert set(api) == {
        "pending",
        "due",
        "processing",
        "success",
        "failed",
        "stalled",
        "deferred",
        "oldest_deferred_s",
        "oldest_due_s",
        "breaker",
        "paused",
    }
    assert api["paused"] is None
    assert api["breaker"] == {"state": "closed", "paused_for_s": 0}
    assert (api["pending"], api["due"], api["success"], api["failed"]) == (1, 1, 1, 1)
    assert api["oldest_due_s"] >= 0
    assert sp00ky("jobs", "stats").out.splitlines()[1].startswith("api ")


def test_errors_are_grouped_the_largest_first(shelf: Shelf, sp00ky: Any) -> None:
    ended(1, Delivered())
    (late,), boos = ended(1, LATE, "/fails"), ended(2)
    groups = sp00ky("jobs", "errors", "--json").json["errors"]
    assert [list(each) for each in groups] == [
        ["backend", "path", "name", "code", "count", "first", "last", "example"]
    ] * 2
    shown = [(each["backend"], each["path"], each["name"], each["code"], each["count"]) for each in groups]
    assert shown == [("api", "/json", "http_status", 500, 2), ("api", "/fails", "timeout", 0, 1)]
    assert groups[0]["example"] in boos
    assert groups[1]["example"] == late
    assert all(each[name].endswith("Z") for each in groups for name in ("first", "last"))
    header, first, second = sp00ky("jobs", "errors").out.splitlines()
    assert header.split()[:5] == ["jobs", "backend", "path", "error", "code"]
    assert first.split()[:5] == ["2", "api", "/json", "http_status", "500"]
    assert second.split()[:4] == ["1", "api", "/fails", "timeout"]
