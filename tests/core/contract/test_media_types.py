"""Of several media types the best is sent, or the one that a job names."""

from pathlib import Path

import pytest
from tests.core.contract.small import FIELDS, FILE, refused, sent
from tests.core.contract.small import bodies_of as contract_of


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (["multipart/form-data", "application/vnd.x+json", "application/json"], ["application/json"]),
        (["multipart/form-data", "application/vnd.x+json"], ["application/vnd.x+json"]),
        (["application/json-patch+json", "application/merge-patch+json"], ["application/merge-patch+json"]),
        (
            ["multipart/mixed", "application/x-www-form-urlencoded", "text/plain"],
            ["application/x-www-form-urlencoded"],
        ),
        (["text/plain", "*/*"], ["*/*"]),
    ],
)
def test_of_several_the_best_is_sent(tmp_path: Path, content: list[str], kinds: list[str]) -> None:
    contract = contract_of(tmp_path, {media: {"schema": {"type": "object"}} for media in content})
    assert [body.media_type for body in contract.operations["/x"].bodies[:1]] == kinds


def test_a_job_names_another_media_type(tmp_path: Path) -> None:
    kinds = {
        "application/json": {"schema": FIELDS},
        "text/plain": {"schema": {"type": "string"}},
        "image/*": {},
    }
    contract = contract_of(tmp_path, kinds)
    assert sent(contract, {"title": "a"}).content_type == "application/json"
    for content_type, body in [
        ("text/plain", b"aaaa"),
        ("image/png", b"i\xa6\x9a"),
        ("text/plain; charset=utf-8", b"aaaa"),
        ('text/plain;charset="UTF-8"', b"aaaa"),
    ]:
        found = sent(contract, {"$body": "aaaa", "$contentType": content_type})
        assert (found.body, found.content_type) == (body, content_type)
    for payload, pointer in [
        ({"$body": "a", "$contentType": "text/html"}, "/$contentType"),
        ({"$body": "a", "$contentType": "image/*"}, "/$contentType"),
        ({"$body": "a", "$contentType": "text/plain\r\nX: y"}, "/$contentType"),
        ({"$body": "a", "$contentType": 1}, "/$contentType"),
        ({"$body": "a", "$contentType": "text/plain; charset=iso-8859-1"}, "/$contentType"),
        ({"$contentType": "text/plain"}, "/$body"),
        ({"$body": "a~", "$contentType": "image/png"}, "/$body"),
        ({"$body": {"title": 1}}, "/$body/title"),
        ({"$body": {"title": "a"}, "title": "a"}, "/title"),
        ({"$body": {"title": "a"}, "$query": {"page": 1}}, "/$query/page"),
        ({"$body": {"title": "a"}, "$header": []}, "/$header"),
    ]:
        assert refused(contract, payload) == [pointer], payload


def test_a_range_needs_a_media_type_of_the_job(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, {"image/*": {"schema": FILE}})
    assert refused(contract, {"$body": "AAAA"}) == ["/$contentType"]
    assert sent(contract, {"$body": "AAAA", "$contentType": "image/gif"}).content_type == "image/gif"


@pytest.mark.parametrize(
    ("content_type", "value", "body"),
    [
        ("application/json", [1], b"[1]"),
        ("application/x-www-form-urlencoded", {"a": [1, 2]}, b"a=1&a=2"),
        ("application/pdf", "AAAA", b"\0\0\0"),
        ("application/yaml", "a: 1", b"a: 1"),
    ],
)
def test_what_is_within_a_range_is_written_as_the_type_that_is_named(
    tmp_path: Path, content_type: str, value: object, body: bytes
) -> None:
    contract = contract_of(tmp_path, {"application/*": {}})
    assert sent(contract, {"$body": value, "$contentType": content_type}).body == body
