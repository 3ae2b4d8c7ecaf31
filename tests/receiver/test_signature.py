"""Only what the sender has signed, lately, is taken; the line that says why not holds no secret."""

import time
from base64 import b64encode
from datetime import UTC, datetime

import attrs
import pytest
from standardwebhooks import Webhook
from tests.receiver.stacks import request as unsigned

from sp00ky_receiver import Receiver, Request, SettingInvalid, SignatureInvalid

NEW, OLD, OTHER = ("whsec_" + b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))
BODY = b'{"id": "thread:1"}'


def signed(
    secret: str = NEW,
    *,
    at: float | None = None,
    body: bytes = BODY,
    message_id: str = "job:1",
    **headers: str,
) -> Request:
    at = time.time() if at is None else at
    signature = Webhook(secret).sign(message_id, datetime.fromtimestamp(at, UTC), body.decode())
    own = {"webhook-id": message_id, "webhook-timestamp": str(int(at)), "webhook-signature": signature}
    return unsigned(body, **(own | headers))


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_either_secret_of_a_rotation_is_good(secret: str) -> None:
    assert Receiver([NEW, OLD]).verify(signed(secret)).key == "job:1"
    both = f"{signed(OTHER).headers['webhook-signature']} {signed(secret).headers['webhook-signature']}"
    assert Receiver(secret).verify(signed(secret, **{"webhook-signature": both})).key == "job:1"


def test_the_key_is_what_was_signed_whatever_an_unsigned_header_says() -> None:
    assert Receiver(NEW).verify(signed(**{"Idempotency-Key": "forged"})).key == "job:1"


def test_a_signature_fits_no_second_request_that_splits_elsewhere() -> None:
    """What is signed is ``id.timestamp.body``: a body may hold what looks like the latter two."""
    now = int(time.time())
    captured = signed(at=now - 60, body=f'{{"text": ".{now}.{{}}"}}'.encode())
    assert Receiver(NEW).verify(captured).key == "job:1"
    head, timestamp, rest = captured.body.decode().split(".", 2)
    stretched = f"job:1.{captured.headers['webhook-timestamp']}.{head}"
    forged = {**captured.headers, "webhook-id": stretched, "webhook-timestamp": timestamp}
    with pytest.raises(SignatureInvalid, match="webhook-id has a dot"):
        Receiver(NEW).verify(attrs.evolve(captured, headers=forged, body=rest.encode()))


def test_the_key_of_an_id_with_a_dot_is_that_of_the_unsigned_header() -> None:
    assert Receiver(NEW).verify(signed(message_id="job:a%2Eb")).key == "job:a.b"
    assert Receiver(NEW).verify(signed(message_id="job:a%252Eb")).key == "job:a%252Eb"


SIGNED = signed(at=1e9).headers["webhook-signature"]


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"webhook-id": ""}, "the header webhook-id is missing"),
        ({"webhook-timestamp": ""}, "the header webhook-timestamp is missing"),
        ({"webhook-signature": ""}, "the header webhook-signature is missing"),
        ({"webhook-id": "job:2"}, "no webhook-signature fits"),
        ({"webhook-timestamp": "now"}, "webhook-timestamp is no number"),
        ({"webhook-timestamp": "nan"}, "webhook-timestamp is no number"),
        ({"webhook-timestamp": "-1"}, "webhook-timestamp is no number"),
        ({"webhook-timestamp": "9" * 400}, "webhook-timestamp is no number"),
        ({"webhook-timestamp": "1000000001"}, "no webhook-signature fits"),
        ({"webhook-signature": "v1"}, "no webhook-signature fits"),
        ({"webhook-signature": "v1,%%% , ,"}, "no webhook-signature fits"),
        ({"webhook-signature": "v1,\u20ac\udcff"}, "no webhook-signature fits"),
        ({"webhook-signature": SIGNED.replace("v1,", "v1a,")}, "no webhook-signature fits"),
        ({"webhook-signature": SIGNED[:-4]}, "no webhook-signature fits"),
    ],
)
def test_what_is_not_signed_is_refused(
    headers: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1e9)
    with pytest.raises(SignatureInvalid) as caught:
        Receiver([NEW, OLD]).verify(signed(**headers))
    assert says in str(caught.value)
    answer = caught.value.answer()
    assert (answer.status, answer.body.count(b"\n")) == (401, 1)


@pytest.mark.parametrize("body", [BODY + b" ", b"", b"\xff"])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        Receiver([NEW, OLD]).verify(attrs.evolve(signed(), body=body))


def test_another_secret_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        Receiver([NEW, OLD]).verify(signed(OTHER))


@pytest.mark.parametrize("off", [-301, 301])
def test_a_request_of_another_time_is_refused(off: int) -> None:
    request = signed(at=time.time() + off)
    with pytest.raises(SignatureInvalid, match=r"s are allowed"):
        Receiver(NEW).verify(request)
    assert Receiver(NEW, tolerance=400).verify(request).key == "job:1"


NONE = [
    None,
    [],
    "",
    "s3cret",
    "whsec_s3cret",
    [NEW, "whsec_"],
    [None],
    NEW.removeprefix("whsec_"),
    NEW.encode(),
]


@pytest.mark.parametrize("secrets", NONE)
def test_a_secret_that_is_none_is_refused_and_not_quoted(secrets: object) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Receiver(secrets)  # type: ignore[arg-type]  # what a program may do nevertheless
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).startswith("secrets: ")


def test_no_secret_is_shown() -> None:
    assert NEW.removeprefix("whsec_") not in repr(vars(Receiver(NEW)))
