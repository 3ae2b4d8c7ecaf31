from __future__ import annotations

import pytest
from tests.dashboard.conftest import Open
from tests.dashboard.scene import acts

from sp00ky_core import Outbox
from sp00ky_core.errors import OptionInvalid
from sp00ky_dashboard import BasicAuth, TokenAuth

TOKEN = "a-token-of-the-dashboard"
TOKENS = {"ada": TOKEN, "grace": "another-token-of-it"}


async def test_name_and_password(open_browser: Open, outbox: Outbox) -> None:
    browser = await open_browser(auth=BasicAuth({"ada": "pässword", "grace": "other"}))
    for auth in (None, ("ada", "other"), ("nobody", "pässword"), ("", ""), ("ada", "")):
        answer = await browser.get("/jobs", auth=auth)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
    for value in ("Basic", "Basic !!!", "Basic /w==", "Bearer x"):
        assert (await browser.get("/jobs", headers={"Authorization": value})).status_code == 401
    browser.client.auth = ("ada", "pässword")
    assert "ada" in await browser.see("/jobs")
    await outbox.run("api", "/spookify")
    await browser.act("kill", all="1")
    (entry,) = await acts(outbox)
    assert (entry.actor, entry.action) == ("ada", "kill")


async def test_a_token_signs_a_browser_in(open_browser: Open) -> None:
    browser = await open_browser(auth=TokenAuth(TOKENS))
    page = await browser.see("/jobs?status=failed", status=401)
    assert 'type="password"' in page
    for wrong in ("", "nope", TOKEN[:-1]):
        answer = await browser.post("/sign-in", {"token": wrong})
        assert answer.status_code == 401
        assert "known" in answer.text
        assert TOKEN not in answer.text
    answer = await browser.post("/sign-in", {"token": TOKEN, "back": "/jobs?status=failed"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?status=failed")
    cookies = "".join(answer.headers.get_list("set-cookie"))
    assert "HttpOnly" in cookies
    assert "SameSite=strict" in cookies
    assert TOKEN not in cookies
    assert "ada" in await browser.see("/jobs")


async def test_programs_send_it_in_a_header_and_never_in_a_url(open_browser: Open) -> None:
    browser = await open_browser(auth=TokenAuth(TOKENS))
    assert (await browser.get("/jobs", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
    assert (await browser.get("/jobs", headers={"Authorization": "Bearer nope"})).status_code == 401
    for path in (f"/jobs?token={TOKEN}", f"/sign-in?token={TOKEN}", f"/jobs?access_token={TOKEN}"):
        assert (await browser.get(path)).status_code == 401


@pytest.mark.parametrize(
    "where", ["//evil.test/", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", ""]
)
async def test_signing_in_leads_nowhere_else(open_browser: Open, where: str) -> None:
    browser = await open_browser(auth=TokenAuth(TOKENS))
    answer = await browser.post("/sign-in", {"token": TOKEN, "back": where})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "cookie",
    ["", "zz", "00", "313a6164613a", b"9999999999:ada:forged".hex(), "9999999999:ada:\u00e9".encode().hex()],
)
async def test_a_forged_cookie_is_no_sign_in(open_browser: Open, cookie: str) -> None:
    browser = await open_browser(auth=TokenAuth(TOKENS))
    browser.client.cookies.set("sp00ky_session", cookie)
    await browser.see("/jobs", status=401)


async def test_it_ends_after_a_day(open_browser: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = await open_browser(auth=TokenAuth(TOKENS))
    await browser.post("/sign-in", {"token": TOKEN})
    await browser.see("/jobs")
    later = __import__("time").time() + 86_400
    monkeypatch.setattr("sp00ky_dashboard.access.authentication.time", lambda: later)
    await browser.see("/jobs", status=401)


@pytest.mark.parametrize("tokens", [{}, {"ada": "short"}, {"ada": ""}])
def test_a_token_that_can_be_guessed_is_refused(tokens: dict[str, str]) -> None:
    with pytest.raises(OptionInvalid) as caught:
        TokenAuth(tokens)
    assert "short" not in str(caught.value)


@pytest.mark.parametrize("passwords", [{}, {"ada": ""}])
def test_a_password_is_needed(passwords: dict[str, str]) -> None:
    with pytest.raises(OptionInvalid):
        BasicAuth(passwords)
