from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request

from sp00ky_dashboard.render import age, count, depth, duration, job_link, link, listed, page, short_id


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0.0 s"),
        (0.0123, "12 ms"),
        (1.26, "1.3 s"),
        (59, "59 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_200, "2 h"),
        (200_000, "2 d"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_ages() -> None:
    now = datetime.now(UTC)
    assert age(now - timedelta(minutes=5)) == "5 min ago"
    assert age(now + timedelta(hours=5, seconds=1)) == "in 5 h"


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


@pytest.mark.parametrize(
    ("jobs", "text"),
    [
        (0, "0"),
        (10_000, "10,000"),
        (10_001, "10,000+"),
        (1_115_333, "10,000+"),
    ],
)
def test_of_a_large_number_of_jobs_only_that_is_written(jobs: int, text: str) -> None:
    assert depth(jobs) == text


def test_lists_are_written_as_their_items() -> None:
    assert (listed(["a", "b"]), listed("a"), listed(7)) == ("a, b", "a", "7")
