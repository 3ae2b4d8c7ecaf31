"""``sp00ky jobs``: shapes, filters, pages, fates and exit codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core import Outbox
from sp00ky_core.stores.selecting import BEGINNING

JOB_KEYS = [
    "id",
    "backend",
    "path",
    "payload",
    "status",
    "retries",
    "max_retries",
    "retry_strategy",
    "timeout",
    "assigned_to",
    "errors",
    "result",
    "dedup_key",
    "created_at",
    "updated_at",
    "run_at",
    "lease_until",
    "lease_epoch",
    "runner_id",
]  # as documented, in their order

Call = Callable[..., str]


@pytest.fixture
def call(migrated: Path, sp00ky: Any) -> Call:
    """Enqueues a job and returns its id."""

    def enqueue(path: str = "/json", *options: str) -> str:
        called = sp00ky("call", "api", path, *options)
        assert called.code == 0, called.err
        return str(called.out).strip()

    return enqueue


@pytest.fixture
def ended(call: Call, sp00ky: Any) -> tuple[str, str]:
    """A job that succeeded, and one that failed."""
    good, bad = call("/json"), call("/fails", "--max-retries", "0")
    assert sp00ky("run", "--until-empty").code == 1
    return good, bad


def ids(listed: Any) -> list[str]:
    return [job["id"] for job in listed.json["jobs"]]


def test_a_job_has_the_documented_keys(call: Call, sp00ky: Any) -> None:
    job_id = call("/json")
    job = sp00ky("jobs", "get", job_id, "--json").json
    assert list(job) == JOB_KEYS
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
        "oldest_due_s",
        "breaker",
    }
    assert api["breaker"] == {"state": "closed", "paused_for_s": 0}
    assert (api["pending"], api["due"], api["success"], api["failed"]) == (1, 1, 1, 1)
    assert api["oldest_due_s"] >= 0
    assert sp00ky("jobs", "stats").out.splitlines()[1].startswith("api ")


def test_watching_a_job_prints_a_document_a_line_and_ends(ended: tuple[str, str], sp00ky: Any) -> None:
    for job_id, status in zip(ended, ("success", "failed"), strict=True):
        watched = sp00ky("jobs", "watch", job_id, "--json")
        assert watched.code == 0
        documents = [json.loads(line) for line in watched.out.splitlines()]
        assert list(documents[-1]) == JOB_KEYS
        assert documents[-1]["status"] == status


def test_kill_retry_and_clear_tell_each_fate(call: Call, sp00ky: Any) -> None:
    job_id = call()

    def results(*arguments: str) -> Any:
        ended = sp00ky("jobs", *arguments, "--json")
        return ended.code, ended.json, ended.err

    code, document, err = results("kill", job_id, "job:nope")
    assert (code, document) == (
        1,
        {
            "results": [{"id": job_id, "result": "killed"}, {"id": "job:nope", "result": "not_found"}],
        },
    )
    assert "job:nope" in err
    code, document, err = results("kill", job_id)
    assert (code, document["results"][0]["result"]) == (1, "illegal")
    assert err.startswith("sp00ky: ")
    assert results("retry", job_id)[:2] == (0, {"results": [{"id": job_id, "result": "redriven"}]})
    assert results("clear", job_id)[1]["results"] == [{"id": job_id, "result": "illegal"}]
    assert results("kill", job_id)[0] == 0
    assert results("clear", job_id)[:2] == (0, {"results": [{"id": job_id, "result": "cleared"}]})
    assert sp00ky("jobs", "get", job_id).code == 1


def test_what_may_have_arrived_is_resent_only_when_told_to(migrated: Path, sp00ky: Any) -> None:
    async def lost() -> str:
        async with Outbox.open() as outbox:
            job = await outbox.run("api", "/json", max_retries=0)
            await outbox.store.claim({"api": 1}, "a-runner")
            await outbox.store.reclaim({"a-runner": BEGINNING})
            return job.id

    job_id = asyncio.run(lost())
    assert "resend" in sp00ky("jobs", "retry", job_id).err
    assert sp00ky("jobs", "retry", job_id, "--resend-unknown").code == 0
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "pending"


def test_clear_without_ids_deletes_what_has_ended(ended: tuple[str, str], call: Call, sp00ky: Any) -> None:
    good, bad = ended
    waiting = call()
    cleared = sp00ky("jobs", "clear", "--status", "success", "--json")
    assert (cleared.code, cleared.json) == (0, {"results": [{"id": good, "result": "cleared"}]})
    assert sp00ky("jobs", "clear", "--backend", "api").out == "cleared: 1\n"
    assert ids(sp00ky("jobs", "list", "--json")) == [waiting]
    assert bad not in sp00ky("jobs", "list").out
    assert sp00ky("jobs", "clear", "--json").json == {"results": []}


def test_clear_takes_more_than_a_page(call: Call, sp00ky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sp00ky_core.cli.jobs.operating.PAGE", 2)
    made = [call() for _ in range(5)]
    assert sp00ky("jobs", "kill", *made).code == 0
    assert len(sp00ky("jobs", "clear", "--json").json["results"]) == 5
    assert sp00ky("jobs", "list", "--json").json["jobs"] == []


def test_clear_takes_ids_or_filters(migrated: Path, sp00ky: Any) -> None:
    assert "without IDs" in sp00ky("jobs", "clear", "job:1", "--status", "failed").complaint(2)
