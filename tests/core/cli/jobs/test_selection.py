"""Choosing jobs on the command line: nothing is done where nothing, or nonsense, is chosen."""

from datetime import timedelta
from typing import Any

import pytest
from tests.core.cli.jobs.shelf import Shelf, ended

from sp00ky_core.outcome import Undelivered


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
