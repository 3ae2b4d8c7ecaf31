"""``sp00ky jobs list | get | watch | stats``: shapes, filters and pages."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from tests.core.cli.jobs.conftest import Call, ids
from tests.core.cli.jobs.shelf import Shelf, ended, enqueued, within
from tests.core.encoding.test_job_json import KEYS

from sp00ky_core import Outbox
from sp00ky_core.operators import matching_jobs
from sp00ky_core.outcome import Delivered, Undelivered
from sp00ky_core.ports import Rollup, Rollups
from sp00ky_core.stores.memory.store import MemoryStore


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


def test_a_full_last_page_has_no_next(call: Call, sp00ky: Any) -> None:
    call()
    assert sp00ky("jobs", "list", "--limit", "1", "--json").json["next"] is None


def test_what_is_read_is_printed_before_the_next_is_read(
    shelf: Shelf, sp00ky: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, printed, find = enqueued(5), list[str](), MemoryStore.find

    async def find_after(store: MemoryStore, query: Any) -> Any:
        printed.append(capsys.readouterr().out)
        return await find(store, query)

    monkeypatch.setattr(matching_jobs, "PAGE", 2)
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


def test_an_unknown_backend_is_a_usage_error(migrated: Path, sp00ky: Any) -> None:
    assert "did you mean 'api'?" in sp00ky("jobs", "list", "--backend", "apj").complaint(2)


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


def test_people_see_when_a_job_is_due_and_when_it_failed(
    ended: tuple[str, str], call: Call, sp00ky: Any
) -> None:
    later, (good, bad) = call("/json", "--delay", "1h"), ended

    def moment(text: str) -> str:
        return text[len("2030-") : len("2030-01-31T12:00:00")].replace("T", " ")

    header, *rows = sp00ky("jobs", "list").out.splitlines()
    column = header.index("due (UTC)")
    due = {row.split()[0]: row[column : column + len("01-31 12:00:00")].strip() for row in rows}
    assert due == {later: moment(sp00ky("jobs", "get", later, "--json").json["run_at"]), good: "", bad: ""}
    entry = sp00ky("jobs", "get", bad, "--json").json["errors"][0]
    assert f"  {moment(entry['at'])} attempt 1: http_status" in sp00ky("jobs", "get", bad).out


def test_an_unknown_id_is_said_in_one_line(migrated: Path, sp00ky: Any) -> None:
    for command in (["get"], ["watch"]):
        assert "'job:nope'" in sp00ky("jobs", *command, "job:nope").complaint(1)
    assert "job:nope" in sp00ky("jobs", "list", "--after", "job:nope").complaint(1)


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


def test_jobs_of_a_key_and_of_a_runner_are_listed(shelf: Shelf, sp00ky: Any) -> None:
    one, two, free = *enqueued(2, ordering_key="k"), *enqueued(1)

    async def claim(outbox: Outbox) -> list[str]:
        return [job.id for job in await outbox.store.claim({"api": 5}, "r")]

    claimed = within(claim)
    assert sorted(claimed) == sorted([one, free])
    assert ids(sp00ky("jobs", "list", "--ordering-key", "k", "--json")) == [two, one]
    assert ids(sp00ky("jobs", "list", "--runner", "r", "--json")) == [free, one]
    assert ids(sp00ky("jobs", "list", "--runner", "r", "--ordering-key", "k", "--json")) == [one]
    assert ids(sp00ky("jobs", "list", "--runner", "s", "--json")) == []


def test_of_jobs_that_are_processing_the_runner_is_shown(shelf: Shelf, sp00ky: Any) -> None:
    (job_id,) = enqueued(1)

    async def claim(outbox: Outbox) -> str:
        await outbox.store.beat("runner-1")
        await outbox.store.claim({"api": 1}, "runner-1")
        return (await outbox.runners())[0].host

    host = within(claim)
    header, row = sp00ky("jobs", "list", "--status", "processing").out.splitlines()
    job = shelf.all()[job_id]
    assert header.split() == [
        *("id", "backend", "path", "retries", "runner", "host"),
        *("since", "(UTC)", "deadline", "(UTC)"),
    ]
    assert row.split()[4:6] == ["runner-1", host]
    assert job.updated_at is not None
    assert job.lease_until is not None
    assert f"{job.updated_at:%H:%M:%S}" in row
    assert row.endswith(f"{job.lease_until:%H:%M:%S}")


def test_a_pause_is_in_the_numbers(shelf: Shelf, sp00ky: Any) -> None:
    enqueued(1)
    assert sp00ky("backends", "pause", "api", "--for", "10m", "--reason", "a deploy").code == 0
    paused = sp00ky("jobs", "stats", "--json").json["backends"]["api"]["paused"]
    assert list(paused) == ["until", "since", "reason", "actor"]
    assert (paused["reason"], paused["actor"], paused["until"][-1]) == ("a deploy", "eve", "Z")
    shown = sp00ky("jobs", "stats").out.splitlines()[1]
    assert "by eve: a deploy" in shown


def test_watching_a_job_prints_a_document_a_line_and_ends(ended: tuple[str, str], sp00ky: Any) -> None:
    for job_id, status in zip(ended, ("success", "failed"), strict=True):
        watched = sp00ky("jobs", "watch", job_id, "--json")
        assert watched.code == 0
        documents = [json.loads(line) for line in watched.out.splitlines()]
        assert list(documents[-1]) == KEYS
        assert documents[-1]["status"] == status


@pytest.mark.parametrize("command", [["get"], ["kill"], ["retry"], ["clear"]])
@pytest.mark.parametrize(
    "job_id", ["", "job:", ":", "other:1", "job:a; REMOVE TABLE job", "\x1b[31m", "job:\0"]
)
def test_an_id_that_is_none_is_not_found(
    migrated: Path, sp00ky: Any, command: list[str], job_id: str
) -> None:
    line = sp00ky("jobs", *command, job_id).complaint(1)
    assert "\x1b" not in line
    assert "<table>:<key>" in line
    assert sp00ky("jobs", "list").code == 0


def test_a_page_has_a_size(migrated: Path, sp00ky: Any) -> None:
    for limit in ("0", "-1", "10001", "many"):
        assert "--limit" in sp00ky("jobs", "list", "--limit", limit).complaint(2)
    assert sp00ky("jobs", "list", "--limit", "10000", "--json").json == {"jobs": [], "next": None}


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


def test_attempts_are_shown_with_their_codes_and_durations(shelf: Shelf, sp00ky: Any) -> None:
    enqueued(1)
    now = datetime.now(UTC)
    kinds = [("success", 200, 90), ("failed", 500, 6), ("retry", 0, 4)]
    rows = [
        Rollup(
            minute=now,
            runner_id="r",
            backend="api",
            outcome=how,
            code=code,
            count=count,
            buckets=(count, *[0] * 14),
        )
        for how, code, count in kinds
    ]
    within(lambda outbox: cast("Rollups", outbox.store).write_rollups(rows))
    rates = sp00ky("jobs", "stats", "--since", "1h", "--json").json["backends"]["api"]["rates"]
    assert (rates["attempts"], rates["codes"]) == (100, {"0": 4, "500": 6})
    assert rates["outcomes"] == {"success": 90, "retry": 4, "failed": 6, "throttled": 0, "unknown": 0}
    assert rates["p50_s"] == pytest.approx(0.0025)
    assert rates["per_second"] == pytest.approx(100 / rates["seconds"])
    gone = attrs.evolve(rows[0], backend="gone")
    within(lambda outbox: cast("Rollups", outbox.store).write_rollups([gone]))
    others = sp00ky("jobs", "stats", "--since", "1h", "--json").json["backends"]["gone"]
    assert (list(others), others["rates"]["attempts"]) == (["rates"], 90)
    row = sp00ky("jobs", "stats", "--since", "1h").out.splitlines()[-2]
    assert row.startswith("api      100")
    assert "2 ms" in row
    assert row.endswith("no answer: 4, 500: 6")
    assert "rates" not in sp00ky("jobs", "stats", "--json").json["backends"]["api"]
    assert "before until" in sp00ky("jobs", "stats", "--since", "2999-01-01T00:00:00Z").complaint(2)
