from datetime import UTC, datetime, timedelta

import pytest
from tests.core.two_backends import FAILURE
from tests.dashboard.conftest import Browser
from tests.dashboard.scene import acts
from tests.dashboard.settling import ended

from sp00ky_core import Job, JobFilter, NewJob, Outbox


async def test_all_that_match_are_counted_confirmed_and_done(browser: Browser, outbox: Outbox) -> None:
    await outbox.run_many("api", [NewJob(path="/spookify") for _ in range(120)])
    await outbox.run("billing", "/charge")
    asked = await browser.post("/act", {"action": "kill", "all": "1", "backend": "api", "since": "1h"})
    assert "Kill 120 jobs?" in asked.text
    assert 'name="since" value="1h"' not in asked.text, "an age would mean others later"
    assert "120 jobs killed." in await browser.act("kill", all="1", backend="api", since="1h")
    assert [job.backend for job in await outbox.find(status="pending")] == ["billing"]
    (job,) = await outbox.find(status="failed", limit=1)
    assert job.errors[-1].reason == "why not"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"action": "kill"}, "nothing was done"),
        ({"action": "nonsense"}, "no such action"),
        ({"action": "clear", "all": "1", "status": "pending"}, "does nothing to others"),
        ({"action": "kill", "all": "1", "backend": "nope"}, "nope"),
        ({"action": "pause", "target": "nope", "confirmed": "1"}, "nope"),
        ({"action": "pause", "target": "api", "confirmed": "1", "duration": "soon"}, "a duration such as"),
        ({"action": "retry", "all": "1", "confirmed": "1", "over": "0m"}, "a duration such as"),
        ({"action": "set", "target": "api", "confirmed": "1", "rate": "0/s"}, "not 0"),
        ({"action": "set", "target": "api", "confirmed": "1", "baseUrl": "http://e.test"}, "baseUrls"),
        ({"action": "set", "target": "api", "confirmed": "1"}, "some of rate"),
        ({"action": "redact", "all": "1", "confirmed": "1", "fields": "/none"}, "a pointer into"),
        ({"action": "erase", "all": "1", "status": "pending"}, "killed first"),
        ({"action": "reschedule", "all": "1", "confirmed": "1", "at": "soon"}, "a time from now such as"),
        ({"action": "reschedule", "all": "1", "confirmed": "1", "priority": "high"}, "0 to 3"),
        ({"action": "reschedule", "all": "1", "confirmed": "1", "at": "1h", "now": "1"}, "one of `at`"),
        ({"action": "reschedule", "all": "1", "confirmed": "1"}, "`priority`"),
    ],
)
async def test_bad_input_does_nothing(
    browser: Browser, outbox: Outbox, fields: dict[str, str], says: str
) -> None:
    await outbox.run("api", "/spookify")
    answer = await browser.post("/act", fields)
    assert answer.status_code == 400
    assert says in answer.text
    assert await acts(outbox) == []
    typed = [text for name, text in fields.items() if name in {"duration", "over", "rate", "fields"}]
    assert [text for text in typed if text not in answer.text] == [], "it is typed once more"


async def test_a_backend_is_paused_and_resumed_set_and_reset(browser: Browser, outbox: Outbox) -> None:
    asked = await browser.post("/act", {"action": "pause", "target": "api"})
    assert "Pause api?" in asked.text
    done = await browser.post(
        "/act", {"action": "pause", "target": "api", "confirmed": "1", "duration": "10m"}
    )
    assert "api is paused for 10m." in await browser.see(done.headers["location"])
    paused = (await outbox.stats())["api"].paused
    assert paused is not None
    assert paused.actor == "ada"
    assert "api is resumed." in await browser.act("resume", target="api")
    assert "wasn&#39;t paused" in await browser.act("resume", target="api")
    assert "api is set: rate, concurrency." in await browser.act(
        "set", target="api", rate="5/s", concurrency="7"
    )
    page = await browser.see("/")
    assert "Set by ada: " in page
    assert "concurrency 7 (file: 50)" in page
    assert "api is as the file says." in await browser.act("reset", target="api")
    assert await outbox.settings() == {}


async def test_copies_to_another_backend_are_counted_again(browser: Browser, outbox: Outbox) -> None:
    ids = await ended(outbox, 2, FAILURE)
    await outbox.copy(ids[0], backend="billing")
    await outbox.kill(filter=JobFilter(backend="billing"))
    everything = {"action": "copy", "all": "1"}
    assert "Copy 3 jobs?" in (await browser.post("/act", everything)).text
    asked = await browser.post("/act", everything | {"to": "billing", "confirmed": "1"})
    assert "Copy 2 jobs to billing?" in asked.text
    assert "2 jobs copied." in await browser.act("copy", all="1", to="billing")
    assert {job.copied_from for job in await outbox.find(backend="billing", status="pending")} == {*ids}
    assert "1 job copied." in await browser.act("copy", id=ids[0])


async def test_jobs_are_redacted_and_erased_with_a_proof(browser: Browser, outbox: Outbox) -> None:
    ids = await ended(outbox, 2, FAILURE, payload={"id": "secret", "amount": 1}, assigned_to="user:7")
    waiting = await outbox.run("api", "/spookify", {"id": "secret"}, assigned_to="user:7")
    page = await browser.act("redact", id=[*ids, waiting.id], fields="/id")
    assert "2 jobs redacted. Refused: 1 illegal." in page
    assert (await outbox.get(ids[0])).payload == {"id": "(redacted)", "amount": 1}
    page = await browser.act("redact", all="1", assigned_to="user:7", kill="1", keys="1")
    assert "3 jobs redacted." in page
    assert [job.assigned_to for job in await outbox.find()] == [None] * 3
    (copy,) = await outbox.copy(ids[0], payload={"id": "of it"})
    page = await browser.act("erase", id=ids)
    erased, *_ = await acts(outbox)
    assert f"2 jobs erased. Audit entry {erased.id}. Left: copies (1). The copies: {copy.id}." in page
    assert (erased.action, erased.actor, erased.count) == ("erase", "ada", 2)
    assert f"{erased.selection['sha256']}</span>" in page
    assert f"{erased.selection['sha256']}</span>" in await browser.see("/audit"), "whoever asks for it later"
    assert "secret" not in page


async def test_a_proof_that_is_long_is_whole(browser: Browser, outbox: Outbox) -> None:
    (job_id,) = await ended(outbox, 1, FAILURE)
    copies = [copy.id for _ in range(12) for copy in await outbox.copy(job_id)]
    page = await browser.act("erase", id=job_id)
    assert [copy for copy in copies if copy not in page] == []


async def test_an_operation_of_another_process_is_in_the_audit(browser: Browser) -> None:
    assert 'href="/audit">To the audit</a>' in await browser.see("/progress/of-another", status=404)


async def test_pending_jobs_are_rescheduled(browser: Browser, outbox: Outbox) -> None:
    ids = [job.id for job in await outbox.run_many("api", [NewJob(path="/spookify") for _ in range(120)])]
    assert "1 job rescheduled." in await browser.act("reschedule", id=ids[0], at="2h", priority="2")
    (one,) = await outbox.find(limit=1, after=ids[1])
    assert (one.id, one.priority) == (ids[0], 2)
    assert timedelta(hours=1) < due(one) <= timedelta(hours=2)
    page = await browser.act("reschedule", all="1", backend="api", at="2999-01-31T12:00")
    assert "120 jobs rescheduled." in page
    assert {due(job) > timedelta(days=9) for job in await outbox.find(limit=200)} == {True}
    await browser.act("reschedule", id=ids[0], now="1")
    assert due(await outbox.get(ids[0])) <= timedelta(0)
    (entry, *_) = await acts(outbox)
    assert (entry.action, entry.actor, entry.reason, entry.count) == ("reschedule", "ada", "why not", 1)


def due(job: Job) -> timedelta:
    assert job.run_at is not None
    return job.run_at - datetime.now(UTC)
