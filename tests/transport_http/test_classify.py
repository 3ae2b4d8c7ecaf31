"""A response or an error becomes an outcome, without a socket."""

import gzip
import json
import tracemalloc
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.encoding.json_bytes import JsonText
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_transport_http.classify import outcome_of, undelivered_by
from sp00ky_transport_http.redaction import Redaction
from sp00ky_transport_http.response import MAX_RESULT_BYTES, Response
from sp00ky_transport_http.retry_after import retry_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 1_048_576
JSON = {"content-type": "application/json"}


def outcome(response: Response, *secrets: str, limit: int = LIMIT) -> Outcome:
    return outcome_of(response, Redaction(secrets), limit=limit, now=lambda: NOW)


def result(body: bytes, *secrets: str, headers: dict[str, str] = JSON, **fields: Any) -> bytes | None:
    delivered = outcome(Response(status=200, headers=headers, body=body, **fields), *secrets)
    assert isinstance(delivered, Delivered)
    assert delivered.result is None or isinstance(delivered.result, JsonText)
    return delivered.result


def reason(body: bytes, *secrets: str, **fields: Any) -> str:
    undelivered = outcome(Response(status=500, body=body, **fields), *secrets)
    assert isinstance(undelivered, Undelivered)
    return undelivered.reason


@pytest.mark.parametrize("status", [100, 101, 199, 300, 302, 304, 400, 404, 500, 503, 599, 999])
def test_only_2xx_is_delivered(status: int) -> None:
    undelivered = outcome(Response(status=status))
    assert isinstance(undelivered, Undelivered)
    assert (undelivered.code, undelivered.name, undelivered.is_retryable) == (status, "http_status", True)


@pytest.mark.parametrize(
    ("status", "asked", "name"),
    [
        (429, None, "throttled"),
        (429, "7", "throttled"),
        (429, "soon", "throttled"),
        (503, "7", "throttled"),
        (503, "Thu, 01 Jan 2026 00:00:07 GMT", "throttled"),
        (503, None, "http_status"),
        (503, "soon", "http_status"),
        (500, "7", "http_status"),
        (301, "7", "http_status"),
    ],
)
def test_throttled_is_what_says_that_nothing_was_done(status: int, asked: str | None, name: str) -> None:
    undelivered = outcome(Response(status=status, headers={"retry-after": asked} if asked else {}))
    assert isinstance(undelivered, Undelivered)
    assert (undelivered.code, undelivered.name, undelivered.is_retryable) == (status, name, True)
    assert undelivered.reason.startswith(f"HTTP {status}")
    assert undelivered.retry_after == (None if asked in {None, "soon"} else 7.0)


def test_of_all_answers_three_say_that_the_backend_is_unavailable() -> None:
    meanings = {}
    for status in range(300, 600):
        undelivered = outcome(Response(status=status))
        assert isinstance(undelivered, Undelivered)
        meanings[status] = undelivered.counts_as
    assert {status: said for status, said in meanings.items() if said} == {
        502: "reset",  # whose `Retry-After` isn't for the whole backend
        503: "unavailable",
        504: "timeout",  # that may be so of one route alone
    }


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 226, 299])
def test_every_2xx_is_delivered(status: int) -> None:
    assert outcome(Response(status=status)) == Delivered(code=status)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/Problem+JSON", True),
        ("application/jsonlines", False),
        ("text/plain", False),
        ("text/html; x=application/json", False),
        ("", False),
    ],
)
def test_the_content_type_says_whether_it_is_json(said: str, kept: bool) -> None:
    assert (result(b"{}", headers={"content-type": said}) == b"{}") is kept


def test_json_without_a_content_type_is_kept() -> None:
    assert result(b"[1]", headers={}) == b"[1]"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b'"\xff"', b"[" * 60_000, "{}".encode("utf-16"), b"{} x"]
)
def test_what_is_no_json_is_not_kept(body: bytes) -> None:
    assert result(body) is None


def test_a_byte_order_mark_is_stripped() -> None:
    assert result(b'\xef\xbb\xbf{"a": 1}') == b'{"a": 1}'


def test_json_is_kept_up_to_its_limit() -> None:
    longest = json.dumps("x" * (MAX_RESULT_BYTES - 2)).encode()
    assert result(longest) == longest
    assert result(b"\xef\xbb\xbf" + longest) == longest
    assert result(longest + b" ") is None
    packed = {**JSON, "content-encoding": "gzip"}
    assert result(gzip.compress(longest), headers=packed) == longest
    assert result(gzip.compress(longest + b" "), headers=packed) is None


def test_a_body_that_broke_off_is_not_kept() -> None:
    assert result(b"{}", complete=False) is None


@pytest.mark.parametrize(
    ("coding", "body", "kept"),
    [
        ("gzip", gzip.compress(b"{}", mtime=0), b"{}"),
        ("deflate", zlib.compress(b"{}"), b"{}"),
        ("identity", b"{}", b"{}"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-3], None),
        ("gzip", b"{}", None),
        ("br", b"{}", None),
    ],
)
def test_content_codings(coding: str, body: bytes, kept: bytes | None) -> None:
    assert result(body, headers={**JSON, "content-encoding": coding}) == kept


@pytest.mark.parametrize("status", [200, 500])
def test_a_bomb_does_not_go_off(status: int) -> None:
    bomb = gzip.compress(b'"' + b"x" * 50_000_000 + b'"')
    response = Response(status=status, headers={**JSON, "content-encoding": "gzip"}, body=bomb)
    tracemalloc.start()
    try:
        came = outcome(response, "secret")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LIMIT
    assert came.code == status


SECRET = 'a"b/c\\d\u00e9=='


@pytest.mark.parametrize(
    "echoed",
    [
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(SECRET).replace("/", "\\/"),
        json.dumps(SECRET).replace("e9", "E9"),
    ],
)
def test_no_notation_of_json_lets_a_secret_through(echoed: str) -> None:
    body = f'{{"said": {echoed}, "kept": "\u00fc"}}'.encode()
    kept = result(body, SECRET)
    assert kept is not None
    assert json.loads(kept) == {"said": "***", "kept": "\u00fc"}
    told = reason(body, SECRET)
    assert SECRET not in told
    assert '"said":"***"' in told.replace(" ", "")


def test_a_secret_in_a_key_or_a_number_is_masked_too() -> None:
    assert result(b'{"x12345": 1}', "12345") == b'{"x***":1}'
    assert result(b'{"n": 7123456}', "12345") is None


def test_a_result_without_secrets_stays_as_it_came() -> None:
    body = b'{ "n": 1.000, "t": "\\u00fc\\/" }'
    assert result(body, SECRET) == body


def test_a_secret_in_the_status_line_is_masked() -> None:
    assert reason(b"", "tok-en", phrase="No tok-en today") == "HTTP 500 No *** today"


def test_a_secret_that_is_cut_off_is_not_told() -> None:
    told = reason(b"you sent me: tok-en-which-is-lo", "tok-en-which-is-long", complete=False)
    assert "tok" not in told


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_reason_never_holds_the_secret(before: str, after: str) -> None:
    told = reason(f"{before}s3cr3t{after}".encode(errors="replace"), "s3cr3t")
    assert "s3cr3t" not in told


@given(st.binary(max_size=3_000), st.text(st.characters(codec=None), max_size=50))
def test_a_reason_is_one_short_printable_line(body: bytes, phrase: str) -> None:
    told = reason(body, phrase=phrase)
    assert told.startswith("HTTP 500")
    assert len(told.encode()) <= 2_048
    assert not any(mark < " " or "\x7f" <= mark <= "\x9f" for mark in told)


def test_a_reason_is_cut_at_2_kib() -> None:
    ghosts = "\U0001f47b" * 4_000
    assert 2_044 <= len(reason(ghosts.encode(), phrase=ghosts).encode()) <= 2_048


def test_a_reason_has_the_usual_phrase_where_none_came() -> None:
    assert reason(b"out") == "HTTP 500 Internal Server Error: out"
    undelivered = outcome(Response(status=999))
    assert isinstance(undelivered, Undelivered)
    assert undelivered.reason == "HTTP 999"


DATE = {"date": "Thu, 01 Jan 1970 00:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "\u0661"}, None),
        ({"retry-after": "9" * 6_000}, 315_360_000.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT", **DATE}, 30.0),
        ({"retry-after": "Thursday, 01-Jan-70 00:00:30 GMT", **DATE}, 30.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 -0000", **DATE}, 30.0),
        ({"retry-after": "Wed, 31 Dec 1969 23:59:00 GMT", **DATE}, 0.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", **DATE}, 315_360_000.0),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT", **DATE}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00 GMT"}, 60.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00 GMT", "date": "yesterday"}, 60.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.text(), st.text())
def test_retry_after_never_raises(asked: str, date: str) -> None:
    seconds = retry_after({"retry-after": asked, "date": date}, NOW)
    assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionResetError(104, "reset by tok-en"), "reset"),
        (OSError(28, "tok-en"), "protocol"),
        (ValueError("tok-en"), "protocol"),
    ],
)
def test_errors_have_names_and_tell_no_secret(error: Exception, name: str) -> None:
    undelivered = undelivered_by(error, Redaction(["tok-en"]))
    assert (undelivered.code, undelivered.name) == (0, name)
    assert undelivered.is_retryable
    assert "tok-en" not in undelivered.reason


@pytest.mark.parametrize("status", [200, 503])
def test_what_the_backend_calls_its_answer_holds_no_secret(status: int) -> None:
    response = Response(status=status, headers={"x-request-id": f" r-{'s3cret!' * 3} \x07{'x' * 300}"})
    named = outcome_of(
        response, Redaction(["s3cret!"]), limit=LIMIT, now=lambda: NOW, request_id="X-Request-Id"
    )
    assert named.request_id == f"r-********* {'x' * 300}"[:200]
    assert outcome(response).request_id is None
