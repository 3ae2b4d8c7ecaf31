import pytest
from tests.dashboard.conftest import Open
from tests.dashboard.scene import acts

import sp00ky_dashboard
from sp00ky_core import Outbox
from sp00ky_dashboard import TokenAuth
from sp00ky_dashboard.access.authentication import CodeAuth
from sp00ky_dashboard.access.throttle import MOST_WRONG, SECONDS

TOKEN = "a-token-of-the-dashboard"
TOKENS = {"ada": TOKEN, "grace": "another-token-of-it"}


def test_who_imports_what_asked_for_a_password_is_told_what_to_use() -> None:
    with pytest.raises(ImportError, match="use TokenAuth"):
        sp00ky_dashboard.BasicAuth  # noqa: B018


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


async def test_a_browser_signs_out(open_browser: Open) -> None:
    browser = await open_browser(auth=TokenAuth(TOKENS))
    await browser.post("/sign-in", {"token": TOKEN})
    assert "Sign out" in await browser.see("/jobs")
    forged = await browser.client.post("/sign-out")  # by another site's form: it knows no token
    assert forged.status_code == 403
    answer = await browser.post("/sign-out", {})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    await browser.see("/jobs", status=401)


async def test_a_copied_cookie_ends_when_its_browser_signs_out(open_browser: Open) -> None:
    auth = TokenAuth(TOKENS)
    browser, other = await open_browser(auth=auth), await open_browser(auth=auth)
    for one in (browser, other):
        await one.post("/sign-in", {"token": TOKEN})
    copied = browser.client.cookies["sp00ky_session"]
    await browser.post("/sign-out", {})
    await other.see("/jobs")  # another of the same name stays signed in
    for cookie in (copied, copied.upper()):
        browser.client.cookies.set("sp00ky_session", cookie)
        await browser.see("/jobs", status=401)


async def test_an_address_with_many_wrong_tokens_waits(
    open_browser: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = TokenAuth(TOKENS)
    browser, other = await open_browser(auth=auth), await open_browser(auth=auth)
    await other.post("/sign-in", {"token": TOKEN})
    answers = [await browser.post("/sign-in", {"token": f"wrong {n}"}) for n in range(MOST_WRONG + 5)]
    assert [answer.status_code for answer in answers] == [401] * MOST_WRONG + [429] * 5
    assert 0 < int(answers[-1].headers["retry-after"]) <= SECONDS
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert (await browser.get("/jobs", headers=right)).status_code == 429
    await other.see("/jobs")  # who is signed in sends no token
    later = __import__("time").monotonic() + SECONDS
    monkeypatch.setattr("sp00ky_dashboard.access.throttle.monotonic", lambda: later)
    assert (await browser.post("/sign-in", {"token": TOKEN})).status_code == 303


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


LET_NOBODY_IN = [
    {"Authorization": "Bearer {code}"},
    {"Authorization": "Basic Y29kZTp7Y29kZX0="},
    {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
    {"Host": "127.0.0.1"},
    {"Cookie": "sp00ky_session={code}"},
]


async def test_a_code_signs_one_browser_in(open_browser: Open, outbox: Outbox) -> None:
    auth = CodeAuth()
    browser, other = await open_browser(auth=auth), await open_browser(auth=auth)
    for code in ("", "None"):
        await browser.see(f"/sign-in?code={code}", status=401)  # there is none yet
    old, code = auth.new_code(), auth.new_code()
    for headers in LET_NOBODY_IN:
        sent = {name: value.format(code=code) for name, value in headers.items()}
        assert (await other.get("/jobs", headers=sent)).status_code == 401
    for wrong in (old, code[:-1], ""):
        assert "code" in await browser.see(f"/sign-in?code={wrong}", status=401)
    assert (await browser.client.head(f"/sign-in?code={code}")).status_code == 401  # it looks, no more
    answer = await browser.get(f"/sign-in?code={code}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert code not in "".join(answer.headers.get_list("set-cookie"))
    assert "SameSite=strict" in answer.headers["set-cookie"]
    await browser.see(f"/sign-in?code={code}")  # of its history: it is signed in already
    assert "wrong, used or expired" in await other.see(f"/sign-in?code={code}", status=401)
    await outbox.run("api", "/spookify")
    await browser.act("kill", all="1")
    assert [act.actor for act in await acts(outbox)] == ["code"]


async def test_a_code_may_be_typed_and_ends_after_15_minutes(
    open_browser: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = CodeAuth()
    browser = await open_browser(auth=auth)
    assert 'name="code"' in await browser.see("/jobs?status=failed", status=401)
    answer = await browser.post("/sign-in", {"code": auth.new_code(), "back": "/jobs?status=failed"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?status=failed")
    await browser.see("/jobs")
    code, later = auth.new_code(), __import__("time").time() + 15 * 60
    browser.client.cookies.clear()
    monkeypatch.setattr("sp00ky_dashboard.access.authentication.time", lambda: later)
    await browser.see(f"/sign-in?code={code}", status=401)
