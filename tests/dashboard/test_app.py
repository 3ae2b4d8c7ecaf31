from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from tests.dashboard.conftest import Browser, Open, Operator, ada
from tests.dashboard.scene import acts

from sp00ky_core import Outbox
from sp00ky_core.errors import OptionInvalid
from sp00ky_dashboard import Dashboard
from sp00ky_dashboard.operate.fleet_actions import FLEET_ACTS
from sp00ky_dashboard.operate.job_actions import JOB_ACTS

PAGES = ("/", "/jobs", "/jobs/job:nope", "/groups", "/errors", "/runners", "/schedules", "/audit", "/nowhere")


@pytest.mark.parametrize("auth", [{}, {"auth": None}, {"auth": "secret"}])
def test_without_a_way_to_tell_who_asks_it_isn_t_made(outbox: Outbox, auth: Any) -> None:
    with pytest.raises((TypeError, OptionInvalid), match="auth"):
        Dashboard(outbox, **auth)


async def test_every_page_has_the_headers(browser: Browser) -> None:
    for path in PAGES:
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "style=" not in answer.text
        assert "<style" not in answer.text
        assert "onclick" not in answer.text


async def test_what_is_not_there_is_said(browser: Browser) -> None:
    assert "No page has this address." in await browser.see("/nowhere", 404)
    assert "\0" not in await browser.see("/jobs?path=%00", 400)


async def test_nothing_is_done_by_a_get(browser: Browser, outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify")
    for path in (f"/act?action=kill&id={job.id}&confirmed=1", f"/copy?id={job.id}"):
        assert "begin at a page" in await browser.see(path, 405)
    assert (await outbox.get(job.id)).status == "pending"
    assert await acts(outbox) == []


async def test_a_client_that_goes_away_is_no_error(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    async def gone(*_: Any) -> dict[str, str]:
        return {"type": "http.disconnect"}

    headers = [(b"host", b"localhost"), (b"sec-fetch-site", b"same-origin")]
    asked = {"type": "http", "method": "POST", "path": "/act", "query_string": b"", "headers": headers}
    await Dashboard(outbox, auth=ada, read_only=False)(asked, gone, gone)
    assert caplog.records == []


async def refusing(_request: Any) -> None:
    return None


async def redirecting(_request: Any) -> RedirectResponse:
    return RedirectResponse("/sign-in-of-the-host")


async def raising(_request: Any) -> str:
    raise HTTPException(403, "Operators only.")


async def broken(_request: Any) -> str:
    raise RuntimeError("secret-of-the-host")


@pytest.mark.parametrize(
    ("auth", "status", "says"),
    [
        (refusing, 401, "signed in"),
        (redirecting, 307, ""),
        (raising, 403, "Operators only."),
        (broken, 500, "bug"),
    ],
)
async def test_the_host_s_dependency_decides(
    open_browser: Open, auth: Any, status: int, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    browser = await open_browser(auth=auth)
    for path in ("/", "/jobs", "/events", "/nowhere"):
        answer = await browser.get(path)
        assert answer.status_code == status
        assert says in answer.text
        assert "secret" not in answer.text


async def test_an_operator_may_be_allowed_less(open_browser: Open, outbox: Outbox) -> None:
    reader = Operator(name="linus", read_only=True, hide_payloads=True)
    browser = await open_browser(auth=lambda _: reader)
    job = await outbox.run("api", "/spookify", {"id": "secret-id"})
    page = await browser.see(f"/jobs/{job.id}")
    assert "linus" in page
    assert "secret-id" not in page
    assert "<button" not in page
    for action in (*JOB_ACTS, *FLEET_ACTS):
        fields = {"action": action, "id": job.id, "target": "api", "confirmed": "1", "concurrency": "1"}
        assert (await browser.post("/act", fields)).status_code == 403
    assert (await browser.post("/copy", {"id": job.id})).status_code == 403
    assert len(await outbox.find()) == 1
    assert await acts(outbox) == []


async def test_a_database_that_is_away_has_a_page(open_browser: Open, outbox: Outbox) -> None:
    browser = await open_browser()
    await outbox.store.close()
    for path in ("/", "/jobs", "/jobs/job:1", "/groups", "/errors", "/runners", "/schedules", "/audit"):
        answer = await browser.get(path)
        assert answer.status_code == 503, path
        assert "Traceback" not in answer.text
    await outbox.store.open()
    await browser.see("/jobs")
