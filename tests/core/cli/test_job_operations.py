"""``sp00ky jobs kill | retry | clear | copy``: how jobs are chosen, each one's fate, and the exit code."""

import asyncio
import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import Call, ids
from tests.core.cli.shelf import NOTHING, Shelf, ended, enqueued

from sp00ky_core.job.outcome import Undelivered
from sp00ky_core.outbox.operators import bulk
from sp00ky_store_kit.memory import MemoryStore


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
    assert results("retry", job_id)[:2] == (0, {"results": [{"id": job_id, "result": "retried"}]})
    assert results("clear", job_id)[1]["results"] == [{"id": job_id, "result": "illegal"}]
    assert results("kill", job_id)[0] == 0
    assert results("clear", job_id)[:2] == (0, {"results": [{"id": job_id, "result": "cleared"}]})
    assert sp00ky("jobs", "get", job_id).code == 1


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
    assert sp00ky("jobs", "retry", "--error-name", "killed", "--since", "2h", "--yes").out == "retried: 1\n"
    assert sp00ky("jobs", "clear", "--all", "--yes", "--json").json["matched"] == 0


def test_pending_jobs_are_rescheduled_and_others_refused(shelf: Shelf, sp00ky: Any) -> None:
    (failed,), (waiting,) = ended(1), enqueued(1)
    done = sp00ky("jobs", "reschedule", waiting, failed, "--at", "2030-01-01T12:00:00Z", "--priority", "3")
    assert done.code == 1
    assert done.out.splitlines()[1:] == [f"{waiting}  rescheduled"]
    assert done.err.startswith(f"sp00ky: job {failed} is failed")
    job = shelf.all()[waiting]
    assert (job.run_at, job.priority) == (datetime(2030, 1, 1, 12, tzinfo=UTC), 3)


def test_pending_jobs_that_match_are_rescheduled(shelf: Shelf, sp00ky: Any) -> None:
    waiting = enqueued(3, delay=timedelta(days=9))
    within = ("jobs", "reschedule", "--backend", "api")
    assert "nor is --delay, --now or --priority; expected one of them" in sp00ky(*within).complaint(2)
    assert sp00ky(*within, "--now", "--dry-run").out == "would be rescheduled: 3\n"
    assert sp00ky(*within, "--now", "--limit", "2", "--yes").out == "rescheduled: 2\n"
    jobs = shelf.all()
    dates = [jobs[job_id].run_at for job_id in waiting]
    assert [at < datetime.now(UTC) for at in dates if at] == [False, True, True]
    (entry,) = sp00ky("audit", "--json").json["audit"]
    assert (entry["count"], entry["selection"]) == (2, {"backend": "api", "delay": 0.0, "limit": 2})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--failed-since", "1h", "--failed-until", "2h"), "an instant before --failed-until: no job can"),
        (("--since", "1h", "--until", "2h"), "no job can match"),
        (("--ended-since", "1h", "--ended-until", "60m"), "no job can match"),
        (
            ("--failed-since", "1h", "--status", "success"),
            "--failed-since is asked of jobs of another status",
        ),
        (("--trace", "nope"), "32 hexadecimal digits"),
        (("--claimed-since", "1h"), "clear does nothing to others"),
        (("--code", "999"), "--code is 999; expected an HTTP status"),
        (("--failed-since", "2999-01-31T12:00:00Z"), "is yet to come"),
        (("--backend-request-id", ""), "--backend-request-id is ''; expected 1 to 200 printable characters"),
    ],
)
def test_what_no_job_can_meet_is_one_line_and_nothing_is_done(
    shelf: Shelf, sp00ky: Any, arguments: tuple[str, ...], said: str
) -> None:
    ids = ended(2)
    assert said in sp00ky("jobs", "clear", *arguments, "--yes").complaint(2)
    assert shelf.all().keys() >= set(ids)
    assert sp00ky("audit", "--json").json["audit"] == []


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


def test_a_number_is_shown_and_yes_is_needed_where_nobody_can_be_asked(shelf: Shelf, sp00ky: Any) -> None:
    ids = ended(2)
    line = sp00ky("jobs", "clear", "--code", "500").complaint(2)
    assert "2 jobs would be cleared, and nothing was done: add --yes" in line
    assert shelf.statuses(ids) == ["failed", "failed"]
    done = sp00ky("jobs", "clear", "--code", "500", "--yes")
    assert (done.code, done.out, done.err) == (0, "cleared: 2\n", "sp00ky: 2 jobs match\n")
    assert shelf.all() == {}


def test_what_is_refused_is_counted_and_exits_1(shelf: Shelf, sp00ky: Any) -> None:
    (held,) = ended(1, dedup_key="k")
    enqueued(1, dedup_key="k")
    tried = sp00ky("jobs", "retry", "--all", "--yes", "--json")
    refused = {"duplicate": 1, "illegal": 0}
    assert (tried.code, tried.json) == (
        1,
        {"matched": 1, "done": 0, "refused": refused, "interrupted": False},
    )
    assert "refused: 1 duplicate" in tried.err
    assert shelf.statuses([held]) == ["failed"]


def test_interrupted_it_ends_its_batch_and_says_how_far_it_came(
    shelf: Shelf, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PAGE", 2)
    ids = enqueued(7)
    settle, pages = MemoryStore.settle, list[int]()

    async def settle_interrupted(store: MemoryStore, settlements: Any) -> Any:
        pages.append(len(settlements))
        if len(pages) == 2:
            signal.raise_signal(signal.SIGINT)
            for _ in range(10):  # the loop gets to see it
                await asyncio.sleep(0)
        return await settle(store, settlements)

    monkeypatch.setattr(MemoryStore, "settle", settle_interrupted)
    killed = sp00ky("jobs", "kill", "--all", "--yes", "--json")
    assert killed.code == 1
    assert killed.json == {"matched": 7, "done": 4, "refused": NOTHING, "interrupted": True}
    assert killed.err.splitlines()[-1] == (
        "sp00ky: interrupted after 4 of 7 jobs: the others are as they were"
    )
    (entry,) = sp00ky("audit", "--json").json["audit"]
    assert (entry["count"], entry["ended_at"] is None) == (4, False)
    assert shelf.statuses(ids) == ["pending"] * 3 + ["failed"] * 4


def test_a_job_is_copied_with_its_payload_or_another(shelf: Shelf, sp00ky: Any) -> None:
    (old,) = enqueued(1)
    copied = sp00ky("jobs", "copy", old)
    assert (copied.code, copied.err, shelf.all()[copied.out.strip()].copied_from) == (0, "", old)
    (Path.cwd() / "payload.json").write_text('{"id": "from a file"}')
    for given, expected in (('{"id": "2"}', "2"), ("@payload.json", "from a file")):
        copied = sp00ky("jobs", "copy", old, "--payload", given, "--json").json
        assert copied["payload"] == {"id": expected}
    assert "contract" in sp00ky("jobs", "copy", old, "--payload", '{"id": 3}').complaint(2)
    assert "PAYLOAD @nowhere" in sp00ky("jobs", "copy", old, "--payload", "@nowhere").complaint(2)
    assert "'job:nope'" in sp00ky("jobs", "copy", "job:nope").complaint(1)
    assert len(shelf.all()) == 4


def test_what_cannot_be_a_job_is_not_copied(shelf: Shelf, sp00ky: Any) -> None:
    enqueued(0)
    assert shelf.store is not None
    for key, payload in (("1", "[]"), ("2", "no json")):
        shelf.store.write_row("job", {"id": key, "path": "/json", "payload": payload})
        assert "object" in sp00ky("jobs", "copy", f"job:{key}").complaint(2)
    shelf.store.write_row("job", {"id": "3", "path": "/gone", "payload": "{}"})
    assert "no route '/gone'" in sp00ky("jobs", "copy", "job:3").complaint(2)
    assert len(shelf.all()) == 3


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
        (["--until", "9999-12-31T23:59:59Z"], "an instant from"),
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
