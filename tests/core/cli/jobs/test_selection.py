"""Choosing jobs: by ids that may be shortened, by filters, or all."""

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.core.cli.jobs.shelf import Shelf, ended, enqueued

from sp00ky_core.job.outcome import Undelivered


def test_ids_may_be_shortened_to_what_is_unique(shelf: Shelf, sp00ky: Any) -> None:
    one, other = enqueued(2, assigned_to="thread:a")
    common = next(one[:n] for n in range(len(one)) if one[n] != other[n])
    short = other[: len(common) + 1]
    assert sp00ky("jobs", "get", short, "--json").json["id"] == other
    assert sp00ky("jobs", "get", short.removeprefix("job:"), "--json").json["id"] == other
    listed = sp00ky("jobs", "list", "--after", short, "--json").json["jobs"]
    assert [job["id"] for job in listed] == [one]
    killed = sp00ky("jobs", "kill", short, other, one, short, "--json").json
    assert killed == {"results": [{"id": other, "result": "killed"}, {"id": one, "result": "killed"}]}
    copied = sp00ky("jobs", "copy", short, "--json").json
    assert (copied["assigned_to"], copied["status"]) == ("thread:a", "pending")
    watched = sp00ky("jobs", "watch", short, "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in watched] == [other]


def test_an_id_that_several_have_is_said_with_two_of_them(shelf: Shelf, sp00ky: Any) -> None:
    one, other = enqueued(2)
    common = next(one[:n] for n in range(len(one)) if one[n] != other[n])
    for command in (["get"], ["watch"], ["copy"], ["list", "--after"]):
        line = sp00ky("jobs", *command, common).complaint(1)
        assert repr(common) in line
        assert one in line
        assert other in line
    killed = sp00ky("jobs", "kill", common, one, "--json")
    assert killed.code == 1
    assert killed.json["results"] == [{"id": common, "result": "ambiguous"}, {"id": one, "result": "killed"}]
    assert other in killed.err
    assert shelf.statuses([one, other]) == ["failed", "pending"]


@pytest.mark.parametrize("given", ["", ":", "job:", "nowhere:0", "0", "job:x'y", "job:%"])
def test_what_no_id_begins_with_finds_no_job(shelf: Shelf, sp00ky: Any, given: str) -> None:
    ids = enqueued(1)
    if given == "0":
        given = "f"
    assert repr(given) in sp00ky("jobs", "get", given).complaint(1)
    assert sp00ky("jobs", "kill", given).code == 1
    assert shelf.statuses(ids) == ["pending"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all", "--code", "500"], "--all goes without filters"),
        (["job:1", "--code", "500"], "go without IDs"),
        (["job:1", "--all"], "go without IDs"),
        (["job:1", "--limit", "1"], "go without IDs"),
        (["job:1", "--dry-run"], "go without IDs"),
        (["--status", "pending"], "--status"),
        (["--limit", "0"], "--limit"),
        (["--since", "yesterday"], "neither an age, such as 2h or 3d, nor 2026-01-31T12:00:00Z"),
        (["--since", "2026-01-31T12:00:00"], "has no time zone"),
        (["--until", "2026-01-31"], "has no time zone"),
        (["--until", ""], "neither an age"),
        (["--since", "9999-12-31T23:59:59Z"], "an instant from"),
        (["--since", "36000d"], "isn't a duration from 0 to"),
        (["--since", "99999999999d"], "neither an age"),
        (["--code", "-1"], "code is -1"),
        (["--code", str(10**25)], "code is 1000"),
        (["--path", "/\0"], "path is"),
        (["--backend", "apj"], "did you mean 'api'?"),
        (["--backend", ""], "no backend ''"),
    ],
)
def test_what_chooses_badly_does_nothing(shelf: Shelf, sp00ky: Any, arguments: list[str], said: str) -> None:
    ids = ended(1)
    assert said in sp00ky("jobs", "clear", *arguments, "--yes").complaint(2)
    assert shelf.statuses(ids) == ["failed"]


def test_every_filter_counts(shelf: Shelf, sp00ky: Any) -> None:
    old = ended(1, path="/fails", assigned_to="thread:a")
    new = ended(1, Undelivered(name="timeout", code=0, reason="late", retryable=False))
    at = shelf.all()[new[0]].created_at
    assert at is not None
    instant = at.isoformat().replace("+00:00", "Z")

    def count(*filters: str) -> int:
        return int(sp00ky("jobs", "retry", *filters, "--dry-run", "--json").json["matched"])

    def listed(*filters: str) -> list[str]:
        return [job["id"] for job in sp00ky("jobs", "list", *filters, "--json").json["jobs"]]

    cases: list[tuple[list[str], list[str]]] = [
        (["--path", "/fails"], old),
        (["--assigned-to", "thread:a"], old),
        (["--error-name", "timeout"], new),
        (["--code", "0"], new),
        (["--code", "500", "--status", "failed", "--backend", "api"], old),
        (["--since", instant], new),
        (["--until", instant], old),
        (["--since", "2h"], [*new, *old]),
        (
            [
                "--since",
                f"{at - timedelta(days=1):%Y-%m-%dt%H:%M:%S+00:00}",
                "--until",
                "0s",
                "--code",
                "500",
            ],
            old,
        ),
        (["--until", "3d"], []),
    ]
    for filters, expected in cases:
        assert listed(*filters) == expected, filters
        assert count(*filters) == len(expected), filters
    assert listed("--status", "success") == []


def test_a_path_that_no_document_has_is_said(shelf: Shelf, sp00ky: Any) -> None:
    ended(1)
    for command in (["list"], ["retry", "--dry-run"], ["clear", "--yes"]):
        done = sp00ky("jobs", *command, "--path", "/jsn")
        assert (
            "warning: no document has an operation '/jsn' that can be called; did you mean '/json'?"
            in done.err.splitlines()[0]
        )
        assert done.code == 0
    assert "warning" not in sp00ky("jobs", "list", "--path", "/json").err
    assert len(shelf.all()) == 1
