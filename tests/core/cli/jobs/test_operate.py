"""``sp00ky jobs kill | retry | clear``: each job's fate, and the exit code."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.core.cli.jobs.conftest import Call, ids
from tests.core.cli.jobs.shelf import Shelf, ended, enqueued

from sp00ky_core import Outbox
from sp00ky_core.stores.filters import BEGINNING


def test_kill_retry_and_clear_tell_each_fate(call: Call, sp00ky: Any) -> None:
    job_id = call()

    def results(*arguments: str) -> Any:
        ended = sp00ky("jobs", *arguments, "--json")
        return ended.code, ended.json, ended.err

    code, document, err = results("kill", job_id, "job:nope")
    assert (code, document) == (
        1,
        {"results": [{"id": job_id, "result": "killed"}, {"id": "job:nope", "result": "not_found"}]},
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


def test_jobs_are_retried_over_a_while(shelf: Shelf, sp00ky: Any) -> None:
    ids = ended(4)
    assert sp00ky("jobs", "retry", *ids[:2], "--over", "1h").code == 0
    assert sp00ky("jobs", "retry", "--all", "--over", "1h", "--yes").code == 0
    found = shelf.all()
    waits = [(found[each].run_at - found[each].updated_at).total_seconds() for each in ids]  # type: ignore[operator]
    assert [round(each) for each in waits] == [0, 1_800, 0, 1_800]
    assert "--over" in sp00ky("jobs", "retry", "--all", "--over", "soon", "--yes").complaint(2)


def test_each_command_is_one_entry_of_the_audit(shelf: Shelf, sp00ky: Any) -> None:
    one, two = ended(2)
    sp00ky("jobs", "retry", one[:-2], two, "--reason", "again")
    sp00ky("jobs", "kill", "--all", "--yes", "--actor", "mallory")
    sp00ky("jobs", "clear", "--status", "failed", "--limit", "1", "--yes")
    sp00ky("jobs", "kill", "--all", "--dry-run")
    sp00ky("jobs", "kill", "--all")
    entries = sp00ky("audit", "--json").json["audit"]
    shown = [
        (each["action"], each["selection"], each["actor"], each["reason"], each["count"]) for each in entries
    ]
    assert shown == [
        ("clear", {"status": "failed", "limit": 1}, "eve", None, 1),
        ("kill", {"all": True}, "mallory", None, 2),
        ("redrive", {"ids": [one, two]}, "eve", "again", 2),
    ]
    assert {each["via"] for each in entries} == {"cli"}


def test_clear_by_filter_deletes_what_has_ended(ended: tuple[str, str], call: Call, sp00ky: Any) -> None:
    good, bad = ended
    waiting = call()
    cleared = sp00ky("jobs", "clear", "--status", "success", "--yes", "--json")
    numbers = {"matched": 1, "done": 1, "refused": {"duplicate": 0, "illegal": 0}, "interrupted": False}
    assert (cleared.code, cleared.json) == (0, numbers)
    assert ids(sp00ky("jobs", "list", "--json")) == [waiting, bad]
    assert sp00ky("jobs", "get", good).code == 1
    assert sp00ky("jobs", "clear", "--backend", "api", "--code", "500", "--yes").out == "cleared: 1\n"
    assert ids(sp00ky("jobs", "list", "--json")) == [waiting]
    assert sp00ky("jobs", "kill", "--all", "--reason", "enough", "--yes").out == "killed: 1\n"
    assert sp00ky("jobs", "retry", "--error-name", "killed", "--since", "2h", "--yes").out == "redriven: 1\n"
    assert sp00ky("jobs", "clear", "--all", "--yes", "--json").json["matched"] == 0


def test_pending_jobs_are_rescheduled_and_others_refused(shelf: Shelf, sp00ky: Any) -> None:
    (failed,), (waiting,) = ended(1), enqueued(1)
    done = sp00ky("jobs", "reschedule", waiting, failed, "--at", "2030-01-01T12:00:00Z", "--priority", "3")
    assert done.code == 1
    assert done.out.splitlines()[1:] == [f"{waiting}  rescheduled"]
    assert done.err.startswith(f"sp00ky: job {failed} is failed")
    job = shelf.all()[waiting]
    assert (job.run_at, job.priority) == (datetime(2030, 1, 1, 12, tzinfo=UTC), 3)


def test_each_time_counts(shelf: Shelf, sp00ky: Any) -> None:
    (job_id,) = enqueued(1, delay=timedelta(days=9))

    def due(*options: str) -> timedelta:
        done = sp00ky("jobs", "reschedule", job_id[:-1], *options, "--json")
        assert done.json == {"results": [{"id": job_id, "result": "rescheduled"}]}
        at = shelf.all()[job_id].run_at
        assert at is not None
        return at - datetime.now(UTC)

    assert timedelta(hours=1) < due("--delay", "2h") <= timedelta(hours=2)
    assert timedelta(hours=2) < due("--at", "3h") <= timedelta(hours=3)
    assert timedelta(hours=2) < due("--priority", "1")
    assert due("--now") <= timedelta(0)
