"""Whatever a backend makes of the token before it echoes it: it is neither in a result nor in a reason."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_transport_http.classify import outcome_of, undelivered_by
from sp00ky_transport_http.redaction import Redaction
from sp00ky_transport_http.response import Response

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 1_048_576
TOKEN = "s3cr3t/Tok+en==abcDEF"


def slashes(text: str) -> str:
    return json.dumps(text)[1:-1].replace("/", "\\/")


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def lower_escapes(text: str) -> str:
    return re.sub("%..", lambda match: match[0].lower(), quote(text, safe=""))


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "quoted, slashes kept": quote,
    "quoted": lambda token: quote(token, safe=""),
    "quoted in lower case": lower_escapes,
    "JSON": lambda token: json.dumps(token)[1:-1],
    "JSON with escaped slashes": slashes,
    "each letter quoted": lambda token: "".join(f"%{octet:02X}" for octet in token.encode()),
    "each letter in JSON": lambda token: "".join(f"\\u{ord(letter):04x}" for letter in token),
    "HTML": escape,
    "each letter in HTML": lambda token: "".join(f"&#{ord(letter)};" for letter in token),
    "each letter in HTML, in hex": lambda token: "".join(f"&#x{ord(letter):X};" for letter in token),
    "hex": lambda token: token.encode().hex(),
    "base64": base64,
    "base64 of the header": lambda token: base64(f"Bearer {token}"),
    "base64 of user and token": lambda token: base64(f"user:{token}"),
    "base64, as for Basic": lambda token: base64(f"{token}:"),
    "base64url": lambda token: urlsafe_b64encode(f"Bearer {token}".encode()).decode().rstrip("="),
}

tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=4, max_size=60)
around = st.text(max_size=20)
encodings = st.sampled_from(sorted(ENCODINGS))


def reason(body: bytes, *secrets: str, **fields: Any) -> str:
    came = outcome_of(
        Response(status=500, body=body, **fields), Redaction(secrets), limit=LIMIT, now=lambda: NOW
    )
    assert isinstance(came, Undelivered)
    return came.reason


def result(body: bytes, *secrets: str) -> bytes | None:
    came = outcome_of(Response(status=200, body=body), Redaction(secrets), limit=LIMIT, now=lambda: NOW)
    assert isinstance(came, Delivered)
    assert came.result is None or isinstance(came.result, bytes)
    return came.result


def texts(value: object) -> Iterator[str]:
    """Every string in a JSON value, and those in JSON that such a string is."""
    if isinstance(value, str):
        yield value
        try:
            yield from texts(json.loads(value))
        except (ValueError, RecursionError):
            return
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)


def assert_untold(text: str, token: str) -> None:
    for name, encoded in ENCODINGS.items():
        assert encoded(token).lower() not in text.lower(), name


def assert_nothing_told(kept: bytes | None, token: str) -> None:
    if kept is not None:
        assert_untold(kept.decode(), token)
        for text in texts(json.loads(kept)):
            assert_untold(text, token)


@given(tokens, encodings, around, around)
@example(token="tok%", encoding="quoted", before="", after="41")
@example(token="%41\\u0041", encoding="JSON", before="", after="")
@example(token="****", encoding="as it is", before="*", after="*")
@example(token="HTTP", encoding="as it is", before="", after="")
@example(token="&amp;", encoding="HTML", before="&", after=";")
def test_no_encoding_gets_the_token_out(token: str, encoding: str, before: str, after: str) -> None:
    echoed = f"{before}{ENCODINGS[encoding](token)}{after}"
    octets = echoed.encode(errors="replace")
    assert_untold(reason(octets, token), token)
    assert_untold(reason(b"", token, phrase=echoed), token)
    assert_untold(undelivered_by(ConnectionResetError(104, echoed), Redaction([token])).reason, token)
    assert_nothing_told(result(json.dumps({"a": [echoed], echoed: 1}).encode(), token), token)
    assert_nothing_told(result(json.dumps(echoed, ensure_ascii=False).encode(errors="replace"), token), token)
    assert_nothing_told(result(b'{"raw":"' + octets + b'"}', token), token)


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_only_the_token_is_masked(encoding: str) -> None:
    echoed = ENCODINGS[encoding](TOKEN)
    told = reason(f"before: {echoed}; 50% off \\o/ after".encode(), TOKEN)
    assert re.fullmatch(
        r"HTTP 500 Internal Server Error: before: \S{0,9}\*{3}(=|%3D)*\S{0,4}; 50% off \\o/ after", told
    )
    kept = result(json.dumps({"\u00fc": f"before: {echoed}; after", "n": 1}).encode(), TOKEN)
    assert kept is not None
    told = json.loads(kept)["\u00fc"]
    assert re.fullmatch(r"before: \S{0,9}\*{3}(=|%3D)*\S{0,4}; after", told)


def test_text_without_the_token_stays_as_it_came() -> None:
    body = b'{ "t": "50% of \\"x\\" \\\\ \\u00fc\\/ &amp; %41 \\n", "n": 1.000 }'
    assert result(body, TOKEN) == body
    assert reason(b"50% \\n %41 &amp; C:\\x", TOKEN).endswith(": 50% \\n %41 &amp; C:\\x")


def test_a_token_that_ends_with_what_was_read_is_not_told() -> None:
    for encoded in (encode(TOKEN) for encode in ENCODINGS.values()):
        told = reason(b"x" * 3_000 + encoded[:-1].encode(), TOKEN, complete=False)
        assert re.fullmatch(r"HTTP 500 Internal Server Error: x+\.\.\.", told)


@pytest.mark.parametrize("token", ["a", "1", "ok", "abc"])
def test_a_tiny_token_is_masked_where_it_stands_alone(token: str) -> None:
    assert reason(f"a1okabc Bearer {token}!".encode(), token) == (
        "HTTP 500 Internal Server Error: a1okabc Bearer ***!"
    )
    assert result(b'{"flask":1,"n":10,"x":"%s"}' % token.encode(), token) == b'{"flask":1,"n":10,"x":"***"}'


def test_a_password_beyond_ascii_is_masked() -> None:
    password = "p\u00e4ssw\u00f6rd"
    assert reason(password.encode(), password) == "HTTP 500 Internal Server Error: ***"
    assert reason(quote(password).lower().encode(), password) == "HTTP 500 Internal Server Error: ***"
    assert result(json.dumps([password]).encode(), password) == b'["***"]'


def test_a_result_is_masked_behind_any_escapes_of_json() -> None:
    escaped = "".join(f"\\u{ord(mark):04X}" for mark in TOKEN)
    assert result(f'{{"a": "{escaped}"}}'.encode(), TOKEN) == b'{"a":"***"}'


KEY = bytes(range(128, 256, 4)).replace(b"\x80", b"k\0")  # not UTF-8, and it has a NUL
SPELLINGS: dict[str, bytes] = {
    "without whsec_": b64encode(KEY),
    "without padding": b64encode(KEY).rstrip(b"="),
    "base64url": urlsafe_b64encode(KEY),
    "base64 in a URL": quote(b64encode(KEY), safe="").encode(),
    "base64 of more": b64encode(b"key=" + KEY + b";"),
    "bytes": KEY,
    "bytes as letters": KEY.decode("latin-1").encode(),
    "bytes in hex": KEY.hex().upper().encode(),
    "bytes in a URL": quote(KEY).encode(),
    "bytes in HTML": "".join(f"&#{octet};" for octet in KEY).encode(),
    "bytes in Python": repr(KEY)[2:-1].encode(),
    "bytes in JSON": json.dumps(KEY.decode("latin-1"))[1:-1].encode(),
}


@pytest.mark.parametrize("padding", ["=", ""])
@pytest.mark.parametrize("spelling", sorted(SPELLINGS))
def test_no_spelling_gets_a_signing_secret_out(spelling: str, padding: str) -> None:
    secret, told = "whsec_" + b64encode(KEY).decode().rstrip("=") + padding, SPELLINGS[spelling]
    assert re.fullmatch(
        r"HTTP 500 Internal Server Error: <\S{0,6}\*{3}\S{0,6}>", reason(b"<%b>" % told, secret)
    )
    kept = result(b'["<%b>"]' % told.replace(b"\\x", b"\\\\x"), secret)
    assert kept is None or re.fullmatch(rb'\["<\S{0,6}\*{3}\S{0,6}>"\]', kept)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_token_in_a_wide_encoding_is_masked(encoding: str) -> None:
    """Its letters have NULs between them, which the reason's one line has no place for."""
    assert TOKEN not in "".join(reason(f"no {TOKEN}".encode(encoding), TOKEN).split())
