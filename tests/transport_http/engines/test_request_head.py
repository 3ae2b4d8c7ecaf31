"""A request's head, byte for byte."""

import pytest
from yarl import URL

from sp00ky_transport_http.engines.request_head import head_of
from sp00ky_transport_http.request import Request, Template


def request(method: str, body: bytes) -> Request:
    url = URL("http://x.test/a%20b?c=d%26", encoded=True)
    template = Template(method=method, url=url, headers={"Host": "x.test", "X-Name": "caf\xe9"})
    return Request(template=template, own={"Sp00ky-Attempt": "2"}, body=body)


def test_a_head_is_its_line_and_its_headers() -> None:
    assert head_of(request("POST", b"{}")) == (
        b"POST /a%20b?c=d%26 HTTP/1.1\r\nHost: x.test\r\nX-Name: caf\xc3\xa9\r\n"
        b"Sp00ky-Attempt: 2\r\nContent-Length: 2\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("method", "says"), [("POST", True), ("PUT", True), ("DELETE", True), ("GET", False), ("HEAD", False)]
)
def test_where_a_body_could_be_its_absence_is_said(method: str, says: bool) -> None:
    assert (b"Content-Length: 0\r\n" in head_of(request(method, b""))) is says
