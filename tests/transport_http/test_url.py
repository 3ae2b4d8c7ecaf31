"""Whatever the path and the payload: the origin is the backend's, and the path lies under the base path."""

import json
import posixpath
from urllib.parse import unquote

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from sp00ky_conformance.transport.attempts import HOSTILE_PATHS, attempt_for
from sp00ky_core.job.outcome import Undelivered
from sp00ky_transport_http.request import Request, RequestBuilder
from sp00ky_transport_http.url import PathRefused, Place

BASES = [
    "http://api.test",
    "http://api.test/",
    "https://api.test:8443/v1",
    "http://[::1]:3660/a/b/",
    "http://user:secret@127.0.0.1/v1",
]
PIECES = ["/", "//", "..", ".", "%2e", "%2F", "%5c", "\\", "@", ":", "evil.test", "{a}", "{b}", "?", "#", ";"]
PIECES += ["\r\n", "\0", "%", "http:", " ", "é", "\ud800", "x", "%25"]
texts = st.text(st.characters(codec=None), max_size=20)
hostile = st.lists(st.sampled_from(PIECES) | texts, max_size=8).map("".join)
paths = st.sampled_from(HOSTILE_PATHS) | hostile | hostile.map("/{}".format)
scalars = hostile | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
values = st.recursive(scalars | st.none(), lambda inner: st.lists(inner, max_size=3), max_leaves=4)
payloads = st.fixed_dictionaries({"a": values}, optional={"b": values, "{a": values})


@pytest.mark.parametrize(
    "path",
    ["x", "@evil.test/x", "//evil.test", "/../x", "/a/..%2fx", "/%2e%2e", "/a\\..", "/a b", "/\r\n", "/é"],
)
@pytest.mark.parametrize("base", BASES)
def test_the_finished_url_is_checked_on_its_own(base: str, path: str) -> None:
    with pytest.raises((PathRefused, ValueError)):
        Place.of(URL(base)).url(path)


def built(base: str, path: str, payload: object, method: str) -> Request | Undelivered:
    attempt = attempt_for(base, path, payload={}, method=method)
    job = attrs.evolve(attempt.job, payload_json=_ascii_json(payload))
    return RequestBuilder(attempt.backend).build(attrs.evolve(attempt, job=job))


def _ascii_json(value: object) -> bytes:
    # The core's encoder refuses the lone surrogates that rows may have.
    return json.dumps(value).encode()


def readings(path: str) -> list[str]:
    """The path as servers could normalise it: decoded none to three times, with either slash."""
    seen = [path]
    for _ in range(3):
        seen.append(unquote(seen[-1]))
    return [posixpath.normpath(reading.replace("\\", "/")) for reading in seen]


@given(
    base=st.sampled_from(BASES),
    path=paths,
    payload=payloads,
    method=st.sampled_from(["POST", "GET", "DELETE"]),
)
@example(base=BASES[2], path="/{a}", payload={"a": "..%2f..%2fadmin"}, method="POST")
@example(base=BASES[2], path="/{a}{b}", payload={"a": ".", "b": "."}, method="POST")
@example(base=BASES[2], path="/.{a}", payload={"a": ";x"}, method="POST")
@example(base=BASES[2], path="/.{a}/x", payload={"a": "/.."}, method="POST")
@example(base=BASES[2], path="/{a}", payload={"a": "\\..\\..\\admin"}, method="GET")
def test_a_request_stays_with_its_backend(base: str, path: str, payload: object, method: str) -> None:
    request = built(base, path, payload, method)
    if isinstance(request, Undelivered):
        assert request.name in {"invalid_path", "invalid_payload"}
        assert request.code == 0
        return
    place = URL(base)
    assert request.template.url.origin() == place.origin()
    assert request.template.url.user is None
    assert request.template.url.raw_path_qs.isascii()
    assert request.template.url.raw_path_qs.isprintable()
    assert " " not in request.template.url.raw_path_qs
    assert request.template.method == method
    assert request.headers["Host"] == place.host_port_subcomponent
    below = place.raw_path.rstrip("/")
    assert request.template.url.raw_path.startswith(below + "/")
    for reading in readings(request.template.url.raw_path):
        assert reading == below or reading.startswith(below + "/")
        assert not reading.startswith("//") or below


@given(st.text(min_size=1))
def test_a_filled_value_is_one_segment_that_decodes_to_it(value: str) -> None:
    request = built("http://api.test/v1", "/threads/{id}/x", {"id": value}, "POST")
    if isinstance(request, Undelivered):
        assert "." in value or "%" in value
        return
    _, v1, threads, segment, end = request.template.url.raw_path.split("/")
    assert (v1, threads, end) == ("v1", "threads", "x")
    assert unquote(segment) == value
