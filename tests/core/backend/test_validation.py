"""A new job is checked against its backend, and gets what it doesn't say from it."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from sp00ky_core.backend.backend import Backend
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.backend.validation import validated
from sp00ky_core.config import BackendConfig, Config, RetryConfig
from sp00ky_core.encoding.json_bytes import JsonText
from sp00ky_core.errors import PayloadInvalid, PayloadNotJson, PayloadTooLarge, UnknownRoute, UnknownStrategy
from sp00ky_core.job.job import NewJob

SPEC = """\
openapi: 3.1.0
info: {title: api, version: "1"}
paths:
  /a:
    post:
      operationId: addA
      requestBody: {content: {application/json: {schema: {properties: {n: {type: integer}}}}}}
  /b: {get: {}, put: {operationId: putB}}
  /once: {post: {x-sp00ky-max-retries: 0, x-sp00ky-timeout: 2.5}}
  /bad:
    post: {operationId: putBad, parameters: [{in: query, name: q, schema: {type: string, pattern: '('}}]}
"""


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    (tmp_path / "openapi.yml").write_text(SPEC)
    config = BackendConfig(
        name="api",
        spec=tmp_path / "openapi.yml",
        base_url="http://x.test",
        table="job",
        retry=RetryConfig(max_retries=7, strategy="exponential"),
        max_payload_bytes=20,
    )
    backends = {"api": config}
    return load_backends(
        Config(file=tmp_path / "sp00ky.yml", backends=backends), frozenset({"linear", "exponential"})
    )["api"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"path": "/nope"}, UnknownRoute),
        ({"path": "/b"}, UnknownRoute),
        ({"path": "/a", "payload": {"n": "x"}}, PayloadInvalid),
        ({"path": "/a", "payload": {"text": "x" * 20}}, PayloadTooLarge),
        ({"path": "/a", "payload": {"n": 1, "x": "\0"}}, PayloadNotJson),
        ({"path": "/a", "payload": JsonText(b"{")}, PayloadNotJson),
        ({"path": "/a", "payload": JsonText(b'{"n": "x", "n": 1}')}, PayloadNotJson),
        ({"path": "/a", "retry_strategy": "lineal"}, UnknownStrategy),
    ],
)
def test_what_is_refused(backend: Backend, fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        validated(backend, NewJob(**fields))


@pytest.mark.parametrize(
    ("path", "stored"),
    [("/a", "/a"), ("POST /a", "/a"), ("addA", "/a"), ("GET /b", "GET /b"), ("putB", "PUT /b")],
)
def test_it_is_stored_by_the_name_of_its_operation(backend: Backend, path: str, stored: str) -> None:
    assert validated(backend, NewJob(path=path)).path == stored


def test_what_json_can_say_and_can_not_be_written_again_is_refused(backend: Backend) -> None:
    assert validated(backend, NewJob(path="/a", payload=JsonText(b'{"x": 1E400}'))).path == "/a"
    with pytest.raises(PayloadInvalid) as caught:
        validated(backend, NewJob(path="/a", payload=JsonText(b'{"$body": 1E400}')))
    assert caught.value.pointer == "/$body"


def test_an_escaped_backslash_before_a_number_is_no_nul(backend: Backend) -> None:
    assert validated(backend, NewJob(path="/a", payload={"x": "\\u0000"})).payload_json == rb'{"x":"\\u0000"}'


def test_an_operation_says_how_its_jobs_are_tried(backend: Backend) -> None:
    job = validated(backend, NewJob(path="/once"))
    assert (job.max_retries, job.timeout) == (0, None)  # the backend isn't timeoutOverridable
    config = attrs.evolve(backend.config, timeout_overridable=True)
    backend = attrs.evolve(backend, config=config)
    job, own = (validated(backend, NewJob(path="/once", **o)) for o in ({}, {"max_retries": 2, "timeout": 3}))
    assert (job.max_retries, job.timeout, own.max_retries, own.timeout) == (0, 2.5, 2, 3)
