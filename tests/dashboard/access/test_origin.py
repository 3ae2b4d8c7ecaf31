import pytest
from tests.dashboard.conftest import Open

from sp00ky_core import Outbox
from sp00ky_dashboard.access.origin import is_allowed, is_loopback


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8808", 200),
        ("[::1]:8808", 200),
        ("10.1.2.3", 200),
        ("OPS.example.com:443", 200),
        ("evil.test", 421),
        ("localhost.evil.test", 421),
        ("127.0.0.1.evil.test", 421),
        ("", 421),
    ],
)
async def test_the_host_is_checked(open_browser: Open, host: str, status: int) -> None:
    browser = await open_browser(allowed_hosts=["ops.example.com"])
    for path in ("/jobs", "/static/dashboard.css"):
        assert (await browser.get(path, headers={"Host": host})).status_code == status


def test_a_host_application_may_check_it_instead() -> None:
    assert is_allowed("evil.test", {"*"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
    ],
)
async def test_a_post_from_elsewhere_does_nothing(
    open_browser: Open, outbox: Outbox, headers: dict[str, str]
) -> None:
    browser = await open_browser()
    job = await outbox.run("api", "/spookify")
    fields = {"action": "kill", "id": job.id, "confirmed": "1", "form_token": await browser.token()}
    assert (await browser.client.post("/act", data=fields, headers=headers)).status_code == 403
    assert (await outbox.get(job.id)).status == "pending"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
