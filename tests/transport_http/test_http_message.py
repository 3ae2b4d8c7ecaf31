"""What is on the wire can hold nothing but what was meant, whatever a row or a plugin says."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.testing.attempts import attempt_for
from sp00ky_transport_http.request import Request, RequestBuilder

NAMES = {"host", "accept", "accept-encoding", "user-agent", "content-type", "authorization"}
NAMES |= {"idempotency-key", "sp00ky-attempt", "content-length", "traceparent", "connection", "x-fine"}
SPLITS = ["\r\n\r\nGET /", "\r\nX-Evil: 1", "\0"]
text = st.text(st.characters(codec=None), max_size=60) | st.sampled_from(SPLITS)


@given(job_id=text, traceparent=text, name=text | st.just("X-Fine"), value=text, last=st.booleans())
def test_a_message_is_one_request_with_the_headers_that_were_meant(
    job_id: str, traceparent: str, name: str, value: str, last: bool
) -> None:
    attempt = attempt_for("http://api.test/v1", "/json", headers={name: value}, last=last)
    job = attrs.evolve(attempt.job, id=job_id, traceparent=traceparent)
    request = RequestBuilder(attempt.backend).build(attrs.evolve(attempt, job=job))
    assert isinstance(request, Request)
    head, _, body = request.message.partition(b"\r\n\r\n")
    assert body == job.payload_json
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /v1/json HTTP/1.1"
    names = [line.partition(b": ")[0].decode().lower() for line in lines]
    assert len(set(names)) == len(names)
    assert set(names) <= NAMES | {name.lower()}
    assert f"content-length: {len(body)}" in head.decode().lower()
    for line in lines:
        assert not set(line) & set(b"\r\n\0")
