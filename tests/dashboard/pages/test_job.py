import re
from collections.abc import Sequence

import attrs
import pytest
from tests.core.two_backends import FAILURE
from tests.dashboard.conftest import Browser, Open
from tests.dashboard.settling import ended
from tests.schedules.source import schedules_of

from sp00ky_core import NewJob, Outbox
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.ports import SettleFate, Settlement, SettleResult
from sp00ky_schedules import Schedules
from sp00ky_schedules.model.records import ScheduleChange

SCRIPT = "<script>alert(1)</script>"
RETRIED = attrs.evolve(FAILURE, retryable=True, reason=f"500: {SCRIPT}")


async def test_the_timeline_says_what_happened_and_what_is_next(browser: Browser, outbox: Outbox) -> None:
    (job,) = await ended(outbox, 1, RETRIED, retry=600.0)
    page = await browser.see(f"/jobs/{job}")
    assert "Attempt 1: http_status 500" in page
    assert "by r1" in page
    assert re.search(r"waited [\d.]+ m?s, took [\d.]+ m?s", page)
    assert "Next attempt" in page
    assert "in 10 min" in page
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page


async def test_a_success_says_how_long_it_waited_and_took(browser: Browser, outbox: Outbox) -> None:
    (job,) = await ended(outbox, 1, Delivered())
    assert re.search(
        r"Delivered</strong>.*waited [\d.]+ m?s, took [\d.]+ m?s", await browser.see(f"/jobs/{job}")
    )


async def test_one_that_is_under_way(browser: Browser, outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    await outbox.store.claim({"api": 1}, "r1")
    page = await browser.see(f"/jobs/{job.id}")
    assert "Attempt 1 goes on" in page
    assert "a" * 32 in page
    assert "/jobs?runner_id=r1" in page


async def test_a_large_payload_of_scripts_is_folded_and_escaped(browser: Browser, outbox: Outbox) -> None:
    payload = {"id": SCRIPT * 40_000}  # 1 MB
    job = await outbox.run("api", "/spookify", payload)
    page = await browser.see(f"/jobs/{job.id}")
    assert len(page) < 200_000
    assert SCRIPT not in page
    assert "Show all of it" in page
    answer = await browser.get(f"/jobs/{job.id}?part=payload")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json() == payload


async def test_payloads_results_and_reasons_can_be_hidden(
    open_browser: Open, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = {"every": "5m", "backend": "api", "route": "/report", "payload": {"id": "secret"}}
    await outbox.extension(Schedules).define("hidden", **schedule)
    schedules = schedules_of(outbox.store)
    snapshot = await schedules.schedules()
    defined = snapshot.schedules["hidden"]
    change = ScheduleChange(schedule=attrs.evolve(defined, last_error="secret"))
    assert await schedules.change_schedule(change) is not None
    payload = {"id": "secret"}
    (done,) = await ended(outbox, 1, Delivered(result={"r": "secret"}), payload=payload, max_retries=0)
    answered = Undelivered(
        name="http_status", code=500, reason="HTTP 500: secret", retryable=False, trace="secret x.py"
    )
    (failed,) = await ended(outbox, 1, answered, payload=payload)
    (waiting,) = await ended(outbox, 1, Undelivered(name="timeout", reason="secret"), retry=9.0)
    await outbox.extension(Schedules).trigger("heartbeat")
    pages = ["/", "/jobs", "/groups", "/errors", "/errors?since=&by=assigned", "/runners", "/schedules"]
    pages += ["/schedules?name=hidden", "/audit"]
    pages += [f"/jobs/{job}{part}" for job in (done, failed, waiting) for part in ("", "?edit")]
    hiding, showing = await open_browser(hide_payloads=True), await open_browser()
    for path in pages:
        assert "secret" not in await hiding.see(path), path
    for part in ("payload", "result"):
        assert "secret" not in await hiding.see(f"/jobs/{done}?part={part}", status=403)
    assert "secret x.py" in await showing.see(f"/jobs/{failed}")
    for path in ("/jobs", f"/jobs/{done}", f"/jobs/{failed}", f"/jobs/{waiting}", "/schedules"):
        assert "secret" in await showing.see(path), path

    async def refuses(settlements: Sequence[Settlement]) -> list[SettleResult]:
        problem = "the row has 'secret'"
        return [
            SettleResult(job_id=settlement.job_id, fate=SettleFate.BUSY, problem=problem)
            for settlement in settlements
        ]

    with monkeypatch.context() as patched:
        patched.setattr(outbox.store, "settle", refuses)
        for browser, is_seen in ((hiding, False), (showing, True)):
            assert ("secret" in await browser.act("retry", id=failed)) is is_seen
    row = NewJob(backend="api", path="/spookify", payload={"amount": "many"})
    (broken,) = await outbox.store.add([row])
    for browser, is_seen in ((hiding, False), (showing, True)):
        answer = await browser.post("/act", {"action": "copy", "id": broken.id, "confirmed": "1"})
        assert (answer.status_code, "not of type" in answer.text) == (400, is_seen)
    stream = hiding.client.stream("GET", f"/events?job={waiting}")
    async with stream as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = events.aiter_lines()
        assert await anext(lines) == ": "
        await outbox.kill(waiting, reason="secret")
        seen = [await anext(lines) for _ in range(3)]
    assert [line for line in seen if line] == ["event: changed", "data:"]
