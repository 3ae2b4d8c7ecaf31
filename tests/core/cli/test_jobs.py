"""``sp00ky jobs list | get | watch | stats | errors``: shapes, filters, pages and numbers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import Call, ids
from tests.core.cli.shelf import Shelf, ended, enqueued
from tests.core.job.test_job import KEYS

from sp00ky_core import Outbox
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.outbox.operators import bulk
from sp00ky_store_kit.memory import MemoryStore


def test_a_job_has_the_documented_keys(call: Call, sp00ky: Any) -> None:
    job_id = call("/json")
    job = sp00ky("jobs", "get", job_id, "--json").json
    assert list(job) == KEYS
    assert job["id"] == job_id
    assert (job["status"], job["payload"], job["errors"], job["result"]) == ("pending", {}, [], None)
    assert job["created_at"].endswith("Z")


def test_a_list_is_newest_first_in_pages(call: Call, sp00ky: Any) -> None:
    made = [call() for _ in range(3)]
    first = sp00ky("jobs", "list", "--limit", "2", "--json")
    assert list(first.json) == ["jobs", "next"]
    assert ids(first) == [made[2], made[1]]
    assert first.json["next"] == made[1]
    rest = sp00ky("jobs", "list", "--limit", "2", "--after", first.json["next"], "--json")
    assert ids(rest) == [made[0]]
    assert rest.json["next"] is None


def test_what_is_read_is_printed_before_the_next_is_read(
    shelf: Shelf, sp00ky: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, printed, find = enqueued(5), list[str](), MemoryStore.find

    async def find_after(store: MemoryStore, query: Any, **options: Any) -> Any:
        printed.append(capsys.readouterr().out)
        return await find(store, query, **options)

    monkeypatch.setattr(bulk, "PAGE", 2)
    monkeypatch.setattr(MemoryStore, "find", find_after)
    rest = sp00ky("jobs", "list", "--limit", "4", "--json").out
    assert [[job_id in text for job_id in made[::-1]] for text in printed] == [
        [False] * 5,
        [True, True, False, False, False],
        [False, False, True, True, False],
    ]
    assert json.loads("".join(printed) + rest)["next"] == made[1]


def test_a_list_is_filtered(ended: tuple[str, str], call: Call, sp00ky: Any) -> None:
    good, bad = ended
    mine = call("/json", "--assigned-to", "thread:abc")
    assert ids(sp00ky("jobs", "list", "--status", "failed", "--json")) == [bad]
    assert ids(sp00ky("jobs", "list", "--path", "/json", "--json")) == [mine, good]
    assert ids(sp00ky("jobs", "list", "--assigned-to", "thread:abc", "--json")) == [mine]
    assert ids(sp00ky("jobs", "list", "--backend", "api", "--status", "success", "--json")) == [good]


def test_jobs_are_counted_by_status(shelf: Shelf, sp00ky: Any) -> None:
    ended(2)
    ended(1, Delivered(), assigned_to="thread:a")
    enqueued(3, assigned_to="thread:a")
    counts = {"pending": 3, "processing": 0, "success": 1, "failed": 2}
    assert sp00ky("jobs", "count", "--json").json == {"count": 6, "statuses": counts}
    mine = sp00ky("jobs", "count", "--assigned-to", "thread:a", "--ended-since", "1h", "--json")
    assert mine.json == {"count": 1, "statuses": {"success": 1, "failed": 0}}
    assert sp00ky("jobs", "count", "--code", "500").out.split() == [
        *("status", "jobs", "pending", "0", "processing", "0", "success", "0", "failed", "2")
    ]
    assert "--code is 999" in sp00ky("jobs", "count", "--code", "999").complaint(2)
    assert "--runner is ''; expected a text" in sp00ky("jobs", "list", "--runner", "").complaint(2)


def test_plain_lines_are_aligned_and_have_no_control_characters(migrated: Path, sp00ky: Any) -> None:
    async def write() -> None:
        async with Outbox.open() as outbox:
            store: Any = outbox.store  # its connection writes rows as another client might
            await store._connection.write(
                "CREATE job:long_key SET path = $path, payload = '{}'", path="/\x1b[31mred"
            )
            await store._connection.write("CREATE job:k SET path = '/json', payload = '{}'")

    asyncio.run(write())
    header, *lines = sp00ky("jobs", "list").out.splitlines()
    assert len(lines) == 2
    column = header.index("backend")
    assert [line[column : column + 3] for line in lines] == ["api", "api"]
    assert "\x1b" not in "".join(lines)


def test_watching_a_job_prints_a_document_a_line_and_ends(ended: tuple[str, str], sp00ky: Any) -> None:
    for job_id, status in zip(ended, ("success", "failed"), strict=True):
        watched = sp00ky("jobs", "watch", job_id, "--json")
        assert watched.code == 0
        documents = [json.loads(line) for line in watched.out.splitlines()]
        assert list(documents[-1]) == KEYS
        assert documents[-1]["status"] == status


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two."""
    monkeypatch.setattr(bulk, "PAGE", 2)


LATE = Undelivered(name="timeout", code=0, reason="late", retryable=False)


def test_groups_are_counted_by_route_and_by_whom_they_are_assigned_to(
    migrated: Path, call: Call, sp00ky: Any
) -> None:
    for path, record in (("/json", "user:7"), ("/fails", "user:7"), ("/json", "user:8")):
        call(path, "--assigned-to", record, "--max-retries", "0")
    assert sp00ky("run", "--until-empty").code == 1
    routes = sp00ky("jobs", "stats", "--by", "route", "--json").json["groups"]
    assert {(row["path"], row["success"], row["failed"]) for row in routes} == {
        ("/json", 2, 0),
        ("/fails", 0, 1),
    }
    assert "assigned_to" not in routes[0]
    assigned = sp00ky("jobs", "stats", "--by", "assigned", "--json").json["groups"]
    assert [(row["assigned_to"], row["success"], row["failed"]) for row in assigned] == [
        ("user:7", 1, 1),
        ("user:8", 1, 0),
    ]
    assert 0 < assigned[0]["p50_s"] <= assigned[0]["p99_s"] < 60
    assert "user:8" in sp00ky("jobs", "stats", "--by", "assigned").out
    (group,) = sp00ky("jobs", "errors", "--by", "assigned", "--json").json["errors"]
    assert (group["assigned_to"], group["count"], "path" in group) == ("user:7", 1, False)
    assert sp00ky("jobs", "stats", "--json").json["backends"]["api"]["empty_in_s"] == [0.0, 0.0]


def test_a_queue_in_which_nothing_is_due_is_not_empty_soon(call: Call, sp00ky: Any) -> None:
    call("/json", "--delay", "3600")
    assert sp00ky("jobs", "stats", "--json").json["backends"]["api"]["pending"] == 1
    assert "0 ms" not in sp00ky("jobs", "stats").out


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
        "empty_in_s",
        "ended_per_s",
    }
    assert api["paused"] is None
    assert api["empty_in_s"] is None or api["empty_in_s"][0] <= api["empty_in_s"][1]
    assert api["ended_per_s"] >= 0
    assert api["breaker"] == {"state": "closed", "paused_for_s": 0}
    assert (api["pending"], api["due"], api["success"], api["failed"]) == (1, 1, 1, 1)
    assert api["oldest_due_s"] >= 0
    assert sp00ky("jobs", "stats").out.splitlines()[1].startswith("api ")


def test_errors_are_grouped_the_largest_first(shelf: Shelf, sp00ky: Any) -> None:
    ended(1, Delivered())
    (late,), boos = ended(1, LATE, "/fails"), ended(2)
    groups = sp00ky("jobs", "errors", "--json").json["errors"]
    assert [list(group) for group in groups] == [
        ["backend", "path", "name", "code", "count", "first", "last", "example"]
    ] * 2
    shown = [
        (group["backend"], group["path"], group["name"], group["code"], group["count"]) for group in groups
    ]
    assert shown == [("api", "/json", "http_status", 500, 2), ("api", "/fails", "timeout", 0, 1)]
    assert groups[0]["example"] in boos
    assert groups[1]["example"] == late
    assert all(group[name].endswith("Z") for group in groups for name in ("first", "last"))
    header, first, second = sp00ky("jobs", "errors").out.splitlines()
    assert header.split()[:5] == ["jobs", "backend", "path", "error", "code"]
    assert first.split()[:5] == ["2", "api", "/json", "http_status", "500"]
    assert second.split()[:4] == ["1", "api", "/fails", "timeout"]


def test_hostile_text_is_shown_as_it_is_in_json_and_harmless_elsewhere(migrated: Path, sp00ky: Any) -> None:
    text = "\x1b]0;owned\x07\x9b31m\u202e\r\n[red]x[/red]"
    (migrated / "payload.json").write_text(json.dumps({"id": text}))
    job = sp00ky("call", "api", "/json", "@payload.json", "--json").json
    assert job["payload"] == {"id": text}
    for command in (["list"], ["get", job["id"]], ["get", job["id"], "--json"], ["list", "--json"]):
        shown = sp00ky("jobs", *command).out
        assert not {"\x1b", "\x07", "\x9b", "\r"} & set(shown)
    assert "[red]x[/red]" in sp00ky("jobs", "get", job["id"]).out
    assert "\u202e" not in sp00ky("jobs", "get", job["id"]).out
