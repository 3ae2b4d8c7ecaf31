import pytest
from tests.dashboard.conftest import Browser

from sp00ky_core import Outbox
from sp00ky_dashboard.access import forms

SAME = {"Sec-Fetch-Site": "same-origin"}


async def test_a_form_needs_this_browser_s_token(browser: Browser, outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify")
    fields = {"action": "kill", "id": job.id, "confirmed": "1"}
    for more in ({}, {"form_token": ""}, {"form_token": "nope"}):
        answer = await browser.client.post("/act", data=fields | more, headers=SAME)
        assert answer.status_code == 403
        assert "out of date" in answer.text
    await browser.token()
    for more in ({}, {"form_token": "nope"}):
        assert (await browser.client.post("/act", data=fields | more, headers=SAME)).status_code == 403
    assert (await outbox.get(job.id)).status == "pending"
    assert (await browser.post("/act", fields)).status_code == 303
    assert (await outbox.get(job.id)).status == "failed"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"\xff\xfe=\xff", 400), (b"a=&" * 30_000, 400), (b"x" * (forms.LONGEST_FORM + 1), 413)],
)
async def test_what_is_no_form_is_refused(browser: Browser, body: bytes, status: int) -> None:
    await browser.token()
    headers = SAME | {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await browser.client.post("/act", content=body, headers=headers)).status_code == status
