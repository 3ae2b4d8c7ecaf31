"""Bodies are written as their media type has them; files are base64 in a payload, and bytes in a request."""

from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from tests.openapi.small import FIELDS, FILE, parts, refused, sent
from tests.openapi.small import bodies_of as contract_of

from sp00ky_openapi.request_parts import PartsRefused, request_parts


@pytest.mark.parametrize(
    ("media", "schema", "value", "body", "content_type"),
    [
        ("application/json; v=2", {"type": "array"}, [1], b"[1]", "application/json; v=2"),
        ("application/json;charset=utf-8", {"type": "string"}, "a", b'"a"', "application/json"),
        ("application/json-patch+json", {"type": "array"}, [], b"[]", "application/json-patch+json"),
        ("text/plain", {"type": "string"}, "é", "é".encode(), "text/plain"),
        ("text/plain;charset=latin-1", {"type": "integer"}, 7, b"7", "text/plain; charset=utf-8"),
        ("text/*", {"type": "string"}, "a", b"a", "text/plain"),
        ("application/xml", {"type": "object", "required": ["a"]}, "<a/>", b"<a/>", "application/xml"),
        ("application/soap+xml", {}, "<a/>", b"<a/>", "application/soap+xml"),
        ("application/octet-stream", FILE, "AAH/", b"\0\1\xff", "application/octet-stream"),
        ("application/octet-stream", {"type": "string"}, "", b"", "application/octet-stream"),
        ("image/png", FILE, "AAH/", b"\0\1\xff", "image/png"),
        ("image/jpeg", {"type": "string", "format": "base64"}, "AAH/", b"AAH/", "image/jpeg"),
        ("application/x-tar", {}, "AAH/", b"\0\1\xff", "application/x-tar"),
        ("application/yaml", {"type": "string"}, "a: 1", b"a: 1", "application/yaml"),
    ],
)
def test_a_body_that_is_no_object_takes_the_explicit_form(
    tmp_path: Path, media: str, schema: Any, value: Any, body: bytes, content_type: str
) -> None:
    contract = contract_of(tmp_path, {media: {"schema": schema}})
    assert contract.operations["/x"].form == "explicit"
    found = sent(contract, {"$body": value})
    assert (found.body, found.content_type) == (body, content_type)
    assert (sent(contract, {}).body, sent(contract, {}).content_type) == (b"", None)
    assert refused(contract, {"a": 1, "$body": value}) == ["/a"]


def test_a_form_is_written_as_its_encoding_says(tmp_path: Path) -> None:
    encoding = {"tags": {"style": "form", "explode": False}, "meta": {"style": "deepObject", "explode": True}}
    media = "application/x-www-form-urlencoded"
    payload = {"title": "a b&c", "tags": ["x,y", "z"], "meta": {"k": {"n": [1]}}}
    plain = sent(contract_of(tmp_path, {media: {"schema": FIELDS}}), payload)
    assert plain.content_type == media
    assert parse_qsl(plain.body.decode()) == [
        ("title", "a b&c"),
        ("tags", "x,y"),
        ("tags", "z"),
        ("meta", '{"k":{"n":[1]}}'),
    ]
    styled = sent(contract_of(tmp_path, {media: {"schema": FIELDS, "encoding": encoding}}), payload)
    assert styled.body == b"title=a+b%26c&tags=x%2Cy,z&meta%5Bk%5D%5Bn%5D%5B0%5D=1"
    parts = {"multipart/form-data": {"schema": FIELDS, "encoding": encoding}}
    for version, name in (("3.0.3", b'name="meta"'), ("3.1.0", b'name="meta[k][n][0]"')):
        assert name in sent(contract_of(tmp_path, parts, version), {**payload, "tags": ["x", "z"]}).body


def test_a_multipart_form_holds_files(tmp_path: Path) -> None:
    encoding = {
        "photo": {"contentType": "image/png, image/*"},
        "meta": {"contentType": "application/vnd.x+json"},
    }
    contract = contract_of(tmp_path, {"multipart/form-data": {"schema": FIELDS, "encoding": encoding}})
    named = {"$file": "AAH/", "filename": "späce cat.gif", "contentType": "image/gif"}
    more = ["AAAA", {"$file": "AQ=="}]
    payload = {"title": "t", "tags": ["x", "y"], "meta": {"a": 1}, "photo": named, "more": more}
    found = sent(contract, payload)
    assert found.content_type == "multipart/form-data; boundary=boundary"
    message = message_from_bytes(b"Content-Type: " + found.content_type.encode() + b"\r\n\r\n" + found.body)
    listed: Any = message.get_payload()
    assert [
        (
            part.get_param("name", header="Content-Disposition"),
            part["Content-Type"],
            part.get_payload(decode=True),
        )
        for part in listed
    ] == [
        ("title", None, b"t"),
        ("tags", None, b"x"),
        ("tags", None, b"y"),
        ("meta", "application/vnd.x+json", b'{"a":1}'),
        ("photo", "image/gif", b"\0\1\xff"),
        ("more", "application/octet-stream", b"\0\0\0"),
        ("more", "application/octet-stream", b"\1"),
    ]
    assert 'filename="späce cat.gif"'.encode() in found.body
    plain = sent(contract, {"title": "t", "photo": "AAH/"}).body
    assert b'name="photo"; filename="photo"\r\nContent-Type: image/png\r\n\r\n\0\1\xff\r\n' in plain


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"photo": "AA"}, "/photo"),
        ({"photo": "AA=="}, ""),
        ({"photo": "AAAAAAAA"}, "/photo"),  # six bytes, where three are the most
        ({"photo": 1}, "/photo"),
        ({"photo": {"$file": "A-_="}}, "/photo/$file"),
        ({"photo": {"$file": 1}}, "/photo/$file"),
        ({"photo": {"$file": "", "filename": 'a"b'}}, "/photo/filename"),
        ({"photo": {"$file": "", "filename": "a\r\nb"}}, "/photo/filename"),
        ({"photo": {"$file": "", "contentType": "text/html"}}, "/photo/contentType"),
        ({"photo": {"$file": "", "contentType": "image/p ng"}}, "/photo/contentType"),
        ({"photo": {"$file": "", "path": "/etc/passwd"}}, "/photo/path"),
        ({"more": ["", "x"]}, "/more/1"),
        ({"title": "much too long"}, "/title"),
        ({"other": "AAAA"}, "/other"),
        ({"meta": {"$file": "AAAA"}}, "/meta"),
    ],
)
def test_what_is_no_file_is_refused_where_it_is(tmp_path: Path, fields: Any, pointer: str) -> None:
    encoding = {"photo": {"contentType": "image/png"}}
    contract = contract_of(tmp_path, {"multipart/form-data": {"schema": FIELDS, "encoding": encoding}})
    assert refused(contract, {"title": "t", **fields}) == [pointer] * bool(pointer)
    explicit = {"$body": {"title": "t", **fields}}
    assert refused(contract, explicit) == [f"/$body{pointer}"] * bool(pointer)


def test_a_row_is_refused_without_its_schema_being_looked_at(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, {"multipart/form-data": {"schema": FIELDS}})
    operation = contract.operation("/x")
    assert operation is not None
    with pytest.raises(PartsRefused) as caught:
        request_parts(operation, {"photo": "no base64"}, new_boundary=str)
    assert [violation.pointer for violation in caught.value.violations] == ["/photo"]


@pytest.mark.parametrize(
    ("property_schema", "is_file"),
    [
        ({"type": "string", "contentMediaType": "application/octet-stream"}, True),  # as FastAPI has it
        ({"type": "string", "contentEncoding": "binary"}, True),  # as Discord has it
        ({"anyOf": [FILE, {"type": "null"}]}, True),
        ({"type": "string", "contentMediaType": "image/png", "contentEncoding": "base64"}, False),
        ({"type": "string", "format": "byte"}, False),  # base64 on the wire, too
        ({"type": "string", "contentMediaType": "text/plain"}, False),
    ],
)
def test_what_the_schema_says_is_bytes_is_decoded(
    tmp_path: Path, property_schema: Any, is_file: bool
) -> None:
    schema = {"type": "object", "properties": {"f": property_schema}}
    contract = contract_of(tmp_path, {"multipart/form-data": {"schema": schema}}, "3.1.0")
    assert (b"\r\n\r\n\0\0\0\r\n" in sent(contract, {"f": "AAAA"}).body) is is_file


@pytest.mark.parametrize("encoded", [{"format": "byte"}, {"contentEncoding": "base64"}])
def test_a_part_that_stays_base64_must_be_that(tmp_path: Path, encoded: dict[str, str]) -> None:
    text = {"type": "string", **encoded}
    fields = {"type": "object", "properties": {"f": text, "more": {"type": "array", "items": text}}}
    contract = contract_of(tmp_path, {"multipart/form-data": {"schema": fields}}, "3.1.0")
    assert b"\r\n\r\nAAH/\r\n" in sent(contract, {"f": "AAH/", "more": ["AA=="]}).body
    assert refused(contract, {"f": "no base64"}) == ["/f"]
    assert refused(contract, {"more": ["AA==", "AA"]}) == ["/more/1"]
    contract = contract_of(tmp_path, {"application/json": {"schema": fields}}, "3.1.0")
    assert refused(contract, {"f": "no base64"}) == []


@pytest.mark.parametrize("place", ["query", "header", "cookie"])
def test_what_json_reads_and_no_one_writes_is_refused(place: Any) -> None:
    for value, options in ((float("inf"), {"content_type": "application/json"}), ({"\ud800": 1}, {})):
        with pytest.raises(PartsRefused):
            parts(place, value, **options)


@pytest.mark.parametrize(
    "media", ["application/json", "multipart/form-data", "application/x-www-form-urlencoded"]
)
@pytest.mark.parametrize("fields", [{"a": "\ud800"}, {"\ud800": "a"}, {"a": {"b": float("inf")}}])
def test_a_lone_surrogate_of_a_row_is_refused(tmp_path: Path, media: str, fields: dict[str, Any]) -> None:
    contract = contract_of(tmp_path, {media: {"schema": {"type": "object"}}})
    operation = contract.operation("/x")
    assert operation is not None
    with pytest.raises(PartsRefused):
        request_parts(operation, {"$body": fields}, new_boundary=str)


def test_a_job_names_another_media_type(tmp_path: Path) -> None:
    kinds = {
        "application/json": {"schema": FIELDS},
        "application/json; v=2": {"schema": {"required": ["b"]}},
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
        ({"$body": {"title": 1}, "$contentType": "Application/json;v=2"}, "/$body/b"),
        ({"$body": {"title": "a"}, "title": "a"}, "/title"),
        ({"$body": {"title": "a"}, "$query": {"page": 1}}, "/$query/page"),
        ({"$body": {"title": "a"}, "$header": []}, "/$header"),
    ]:
        assert refused(contract, payload) == [pointer], payload


def test_a_range_needs_a_media_type_of_the_job(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, {"image/*": {"schema": FILE}})
    assert refused(contract, {"$body": "AAAA"}) == ["/$contentType"]
    assert sent(contract, {"$body": "AAAA", "$contentType": "image/gif"}).content_type == "image/gif"
    contract = contract_of(tmp_path, {"*/*": {"schema": {"type": "object"}}})
    assert refused(contract, {"$body": 1}) == ["/$body"]
    assert sent(contract, {"$body": "<a/>", "$contentType": "text/xml"}).body == b"<a/>"  # no JSON


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
