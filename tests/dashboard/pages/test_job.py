from __future__ import annotations

import attrs
import pytest
from tests.core.two_backends import FAILURE
from tests.dashboard.conftest import Browser, Open
from tests.dashboard.settling import ended

from sp00ky_core import Outbox
from sp00ky_core.outcome import Delivered

SCRIPT = "<script>alert(1)</script>"
RETRIED = attrs.evolve(FAILURE, retryable=True, reason=f"500: {SCRIPT}")


async def test_the_timeline_says_what_happened_and_what_is_next(browser: Browser, outbox: Outbox) -> None:
    (job,) = await ended(outbox, 1, RETRIED, retry=600.0)
    page = await browser.see(f"/jobs/{job}")
    assert "Attempt 1: http_status 500" in page
    assert "by r1" in page
    assert "Next attempt" in page
    assert "in 10 min" in page
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(("outcome", "says"), [(Delivered(result={"a": 1}), "Delivered"), (FAILURE, "Retry")])
async def test_an_ended_one(browser: Browser, outbox: Outbox, outcome: object, says: str) -> None:
    (job,) = await ended(outbox, 1, outcome)
    assert says in await browser.see(f"/jobs/{job}")


async def test_one_that_is_under_way(browser: Browser, outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    await outbox.store.claim({"api": 1}, "r1")
    page = await browser.see(f"/jobs/{job.id}")
    assert "Attempt 1 goes on" in page
    assert "a" * 32 in page
    assert "/jobs?runner_id=r1" in page


async def test_neighbours_of_its_ordering_key(browser: Browser, outbox: Outbox) -> None:
    jobs = [await outbox.run("api", "/spookify", ordering_key="k") for _ in range(15)]
    page = await browser.see(f"/jobs/{jobs[7].id}")
    listed = page[page.index('class="neighbours"') :]
    shown = [each.id for each in jobs if f"/jobs/{each.id}" in listed]
    assert shown == [each.id for n, each in enumerate(jobs) if 2 <= n <= 12 and n != 7]
    assert "More are behind" in listed


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


async def test_payloads_can_be_hidden(open_browser: Open, outbox: Outbox) -> None:
    browser = await open_browser(hide_payloads=True)
    (job,) = await ended(outbox, 1, Delivered(result={"r": "secret-result"}), payload={"id": "secret-id"})
    for path in (f"/jobs/{job}", f"/jobs/{job}?edit"):
        page = await browser.see(path)
        assert "secret" not in page
    for part in ("payload", "result"):
        assert "secret" not in await browser.see(f"/jobs/{job}?part={part}", status=403)
    assert "secret" not in await browser.see("/jobs")


async def test_one_that_is_gone(browser: Browser, outbox: Outbox) -> None:
    (job,) = await ended(outbox, 1, FAILURE)
    await outbox.clear(job)
    page = await browser.see(f"/jobs/{job}", status=404)
    assert "This job is gone" in page
    assert "This job is gone" in await browser.see("/jobs/%3Cscript%3E", status=404)


async def test_an_id_may_be_shortened(browser: Browser, outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify")
    assert job.id in await browser.see(f"/jobs/{job.id[:-2]}")
