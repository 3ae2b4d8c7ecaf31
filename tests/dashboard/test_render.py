from typing import Any

from starlette.requests import Request

from sp00ky_dashboard.render import count, job_link, link, page, short_id


def test_links() -> None:
    assert (
        link("/jobs", status="failed", path="/a&b", code="", backend=None)
        == "/jobs?status=failed&path=%2Fa%26b"
    )
    assert job_link("job:a/b?c") == "/jobs/job:a%2Fb%3Fc"
    assert short_id("job:0123456789abcdef") == "job:…89abcdef"
    assert short_id("job:1") == "job:1"
    assert (count(12_345), count(1.5)) == ("12,345", "1.5")


def test_what_utf_8_can_t_hold_is_replaced_in_links() -> None:
    assert link("/jobs", path="/\udcff") == "/jobs?path=%2F%3F"
    assert job_link("job:\udcff") == "/jobs/job:%3F"


def test_a_page_knows_its_address() -> None:
    """It is loaded again, and led back to, by it."""
    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": []}
    scope |= {"root_path": "/ops", "path": "/ops/jobs/job:ä?b#50%", "query_string": b"part=%3F"}
    text = bytes(page(Request(scope), "reading.html").body).decode()
    assert 'href="/ops/jobs/job:%C3%A4%3Fb%2350%25?part=%3F"' in text
