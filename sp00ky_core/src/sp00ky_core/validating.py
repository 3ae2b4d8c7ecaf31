"""What is checked of a new job against its backend, before anything is written."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from sp00ky_core.backend import Backend
from sp00ky_core.errors import PayloadInvalid, PayloadNotJson, PayloadTooLarge, UnknownRoute, UnknownStrategy
from sp00ky_core.job import NewJob
from sp00ky_core.jsontext import decode

__all__ = ["TimeoutIgnored", "validated"]

ESCAPED_NUL = rb"\u0000"
"""Or an escaped backslash before a number: looked for first, because it is quick."""


class TimeoutIgnored(UserWarning):
    """A job's ``timeout`` has no effect: its backend isn't ``timeoutOverridable``."""


def validated(backend: Backend, new_job: NewJob, *, stacklevel: int) -> NewJob:
    """The job, for this backend; ``stacklevel`` is the warnings' one, of the code that enqueues.

    Raises:
        UnknownRoute: no such path in the backend's document.
        PayloadTooLarge: more than ``maxPayloadBytes``.
        PayloadNotJson: the text that was given for it is no JSON, or a text in it holds NUL.
        PayloadInvalid: it breaks the contract; every violation is listed.
        UnknownStrategy: nobody has registered it.
    """
    _check_contract(backend, new_job)
    if new_job.retry_strategy not in backend.table.strategies:
        raise UnknownStrategy(strategy=new_job.retry_strategy, known=tuple(sorted(backend.table.strategies)))
    if new_job.timeout is not None and not backend.config.timeout_overridable:
        text = f"backend {backend.name!r} isn't timeoutOverridable: the job's timeout has no effect"
        warnings.warn(text, TimeoutIgnored, stacklevel=stacklevel)
    return new_job.for_backend(backend.name)


def _check_contract(backend: Backend, new_job: NewJob) -> None:
    routes = backend.contract.routes
    if new_job.path not in routes:
        raise UnknownRoute(backend=backend.name, path=new_job.path, known=tuple(routes))
    size, limit = len(new_job.payload_json), backend.config.max_payload_bytes
    if size > limit:
        raise PayloadTooLarge(size=size, limit=limit)
    payload = _decoded(new_job.payload_json)
    violations: Sequence[Any] = backend.contract.violations(new_job.path, payload)
    if violations:
        raise PayloadInvalid(backend=backend.name, path=new_job.path, violations=tuple(violations))


def _decoded(text: bytes) -> Any:
    try:
        payload = decode(text.decode())
    except ValueError as error:
        raise PayloadNotJson(problem=str(error)) from error
    if ESCAPED_NUL in text and _holds_nul(payload):
        raise PayloadNotJson(problem="a text in it holds NUL, which no database can look into")
    return payload


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(each) for key, each in value.items())
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value
