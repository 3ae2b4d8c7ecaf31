"""``sp00ky jobs errors``: what goes wrong, in groups."""

from __future__ import annotations

from typing import Any

from tests.core.cli.jobs.shelf import Shelf, ended

from sp00ky_core.outcome import Delivered, Undelivered

LATE = Undelivered(name="timeout", code=0, reason="late", retryable=False)


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


def test_only_recent_ones_and_only_so_many(shelf: Shelf, sp00ky: Any) -> None:
    ended(1, LATE, "/fails")
    ended(1)
    assert len(sp00ky("jobs", "errors", "--since", "1h", "--json").json["errors"]) == 2
    assert sp00ky("jobs", "errors", "--since", "9000-01-01T00:00:00Z", "--json").json == {"errors": []}
    assert len(sp00ky("jobs", "errors", "--limit", "1", "--json").json["errors"]) == 1
    for wrong in (["--since", "yesterday"], ["--limit", "0"], ["--since", "9999-12-31T23:59:59Z"]):
        assert sp00ky("jobs", "errors", *wrong).complaint(2)
