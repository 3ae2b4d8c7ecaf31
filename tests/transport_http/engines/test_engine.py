"""What of a body an exchange keeps, and when it has read enough."""

from __future__ import annotations

import pytest
from yarl import URL

from sp00ky_transport_http.engines.engine import KEPT, Exchange
from sp00ky_transport_http.request import CommonHeaders, Request
from sp00ky_transport_http.response import Response


def exchange(limit: int) -> Exchange:
    request = Request(method="POST", url=URL("http://x/y"), common=CommonHeaders({}), own={}, body=b"")
    return Exchange(request=request, limit=limit, head=Response(status=200))


def test_all_of_a_body_within_its_limit_is_read() -> None:
    read = exchange(limit=10)
    assert [read.take(b"12345"), read.take(b"67890")] == [True, True]
    assert bytes(read.body) == b"1234567890"


def test_a_byte_beyond_its_limit_ends_the_reading() -> None:
    read = exchange(limit=10)
    assert [read.take(b"1234567890"), read.take(b"1")] == [True, False]
    assert bytes(read.body) == b"1234567890"


@pytest.mark.parametrize("size", [1, 7_000, KEPT, 2 * KEPT])
def test_no_more_is_kept_than_is_of_use(size: int) -> None:
    read = exchange(limit=8 * KEPT)
    while read.size < 4 * KEPT:
        assert read.take(b"x" * size)
    assert len(read.body) == KEPT
    assert read.response is not None
    assert len(read.response.body) == KEPT
