"""What of a body an exchange keeps, and when it has read enough."""

import pytest
from yarl import URL

from sp00ky_transport_http.engines.exchange import KEPT, Exchange, Origin
from sp00ky_transport_http.request import Request, Template
from sp00ky_transport_http.response import Response


class Reading:
    """An exchange whose head has come."""

    def __init__(self, limit: int) -> None:
        template = Template(method="POST", url=URL("http://x/y"), headers={})
        request = Request(template=template, job_id="job:1", own={}, body=b"")
        self.exchange = Exchange(request=request, origin=Origin("x", 80), limit=limit)
        self.response = self.exchange.response = Response(status=200)

    def take(self, chunk: bytes) -> bool:
        return self.exchange.take(self.response, chunk)


def test_all_of_a_body_within_its_limit_is_read() -> None:
    read = Reading(limit=10)
    assert [read.take(b"12345"), read.take(b"67890")] == [True, True]
    assert read.response.body == b"1234567890"


@pytest.mark.parametrize("chunks", [(b"1234567890", b"1"), (b"12345678901",), (b"1", b"23", b"45678901")])
def test_a_byte_beyond_its_limit_ends_the_reading(chunks: tuple[bytes, ...]) -> None:
    read = Reading(limit=10)
    assert [read.take(chunk) for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert read.response.body == b"1234567890"


@pytest.mark.parametrize("size", [1, 7_000, KEPT, 2 * KEPT])
def test_no_more_is_kept_than_is_of_use(size: int) -> None:
    read = Reading(limit=8 * KEPT)
    while read.exchange.size < 4 * KEPT:
        assert read.take(b"x" * size)
    assert len(read.response.body) == KEPT
