"""What of an answer is kept, and how it is sent."""

from __future__ import annotations

import pytest

from sp00ky_receiver import Answer


def test_json_is_an_answer() -> None:
    answer = Answer.json({"done": True}, status=201)
    assert answer == Answer(
        status=201, headers=[("Content-Type", "application/json")], body=b'{"done": true}'
    )
    assert answer.sent_headers()[-1] == ("content-length", "14")


def test_what_json_lacks_is_no_answer() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Answer.json({"done": float("nan")})


@pytest.mark.parametrize(("status", "is_success"), [(199, False), (200, True), (299, True), (300, False)])
def test_only_2xx_is_a_success(status: int, is_success: bool) -> None:
    assert Answer(status=status).is_success is is_success


def test_headers_of_the_answer_alone_are_kept() -> None:
    given = [("Set-Cookie", "a=b"), ("Connection", "close"), ("Location", "/1"), ("Content-Length", "2")]
    assert Answer(headers=given, body=b"ok").kept(2) == Answer(headers=[("location", "/1")], body=b"ok")


def test_a_body_without_its_end_is_no_body() -> None:
    answer = Answer(headers=[("Content-Encoding", "gzip"), ("Location", "/1")], body=b"abc")
    assert answer.kept(2) == Answer(headers=[("location", "/1")])


def test_many_headers_are_not_kept() -> None:
    answer = Answer(headers=[("Link", "x" * 9_000), ("Content-Type", "x/y")])
    assert answer.kept(1).headers == (("content-type", "x/y"),)


def test_an_answer_that_has_no_body_says_no_length() -> None:
    assert Answer(status=204).sent_headers() == ()
    assert Answer(headers=[("content-length", "7")]).sent_headers() == (("content-length", "7"),)
