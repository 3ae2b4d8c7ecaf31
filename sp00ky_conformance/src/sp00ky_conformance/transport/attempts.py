"""Attempts as a runner would make them, friendly and hostile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs

from sp00ky_core.config import BackendConfig, Secret
from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import Attempt
from sp00ky_openapi import Body, Operation, Parameter
from sp00ky_openapi.operation import Place

__all__ = ["HOSTILE_PATHS", "TOKEN", "attempt_for", "with_parameters"]

TOKEN = 'conformance/"token"\\with=marks'  # noqa: S105  # of a test backend
"""A token that JSON can't hold without escapes."""

_TEMPLATED = re.compile(r"\{([^{}]*)\}")

HOSTILE_PATHS = (
    "",
    "json",
    "@evil.test/x",
    ":80@evil.test/x",
    "//evil.test/x",
    "///evil.test/x",
    "/\\evil.test/x",
    "\\\\evil.test",
    "http://evil.test/",
    "/../admin",
    "/json/../../admin",
    "/./json",
    "/%2e%2e/admin",
    "/%2E./admin",
    "/%252e%252e/admin",
    "/..%2fadmin",
    "/..%5cadmin",
    "/..;/admin",
    "/json%2f..%2f..%2fadmin",
    "/a\r\nX: y",
    "/a%0d%0aX:%20y",
    "/a b",
    "/nul\0",
    "/nul%00",
    "/lone\ud800",
    "/json?x=1",
    "/json#",
    "/half%2",
    "/" + "long" * 10_000,
)


def attempt_for(
    base_url: str,
    path: str,
    *,
    method: str = "POST",
    payload: Any = None,
    token: str | None = TOKEN,
    **options: Any,
) -> Attempt:
    """Make an attempt of a job, as a runner would.

    Args:
        base_url: of the backend.
        path: of the route and of the job.
        method: of the route.
        payload: JSON text as bytes, or a value to be encoded; ``{}`` by default.
        token: of the backend.
        options: fields of ``Attempt``; ``timeout`` is 30 s where it isn't given.
    """
    job = Job(
        id="job:018f4e2a",
        backend="api",
        path=path,
        payload_json=payload if isinstance(payload, bytes) else encode(payload or {}),
        status=JobStatus.PROCESSING,
    )
    backend = BackendConfig(
        name="api",
        spec=Path("openapi.yml"),
        base_url=base_url,
        table="job",
        token=None if token is None else Secret(token),
    )
    fields = {"number": 1, "timeout": 30.0, "job": job, "backend": backend, **options}
    bodies = () if method in {"GET", "HEAD", "DELETE"} else (Body(),)
    names = dict.fromkeys(_TEMPLATED.findall(path))
    parameters = tuple(Parameter(place="path", name=name, required=True) for name in names)
    operation = Operation(path=path, method=method, name=path, bodies=bodies, parameters=parameters)
    return Attempt(operation=operation, **fields)


def with_parameters(attempt: Attempt, place: Place, *names: str) -> Attempt:
    """Return an attempt of an operation that declares these parameters, too."""
    operation = attempt.operation
    added = tuple(Parameter(place=place, name=name) for name in names)
    own = operation.own.union(names)
    operation = attrs.evolve(operation, parameters=(*operation.parameters, *added), own=own)
    return attrs.evolve(attempt, operation=operation)
