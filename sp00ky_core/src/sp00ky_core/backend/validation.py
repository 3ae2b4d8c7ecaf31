"""Check a new job against its backend, before anything is written."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from sp00ky_core.backend.backend import Backend
from sp00ky_core.encoding.json_bytes import JsonText, decode, pointer_of
from sp00ky_core.errors import PayloadInvalid, PayloadNotJson, PayloadTooLarge, UnknownRoute, UnknownStrategy
from sp00ky_core.job.job import NewJob
from sp00ky_openapi.operation import Operation

__all__ = ["TimeoutIgnored", "check_job", "check_options"]
__all__ += ["ignores_timeout", "unknown_route", "warn_of_ignored_timeout"]

ESCAPED_NUL = rb"\u0000"
"""How JSON escapes NUL. It may also be an escaped backslash before a number, so what has it is looked at
again."""

_BACKSLASH = ord("\\")  # a byte is found many times faster than a text

_BETWEEN = frozenset({"sp00ky_core", "asyncio", "uvloop"})
"""Packages between the code that enqueues and the check of what it enqueues."""


class TimeoutIgnored(UserWarning):
    """A job's ``timeout`` has no effect: its backend isn't ``timeoutOverridable``."""


def validated(backend: Backend, new_job: NewJob) -> NewJob:
    """Check a new job as ``check_job`` does. Warnings name the line of the code that enqueues."""
    checked = check_job(backend, new_job)
    if checked.timeout is not None:
        warn_of_ignored_timeout(backend, checked.timeout, "the job's timeout")
    return checked


def warn_of_ignored_timeout(backend: Backend, timeout: float | None, whose: str) -> None:
    """Warn of a timeout that has no effect."""
    if ignores_timeout(backend, timeout):
        text = f"backend {backend.name!r} isn't timeoutOverridable: {whose} has no effect"
        warnings.warn(text, TimeoutIgnored, stacklevel=_callers_level())


def ignores_timeout(backend: Backend, timeout: float | None) -> bool:
    """Tell whether a timeout has no effect."""
    return timeout is not None and not backend.config.timeout_overridable


def check_job(backend: Backend, new_job: NewJob) -> NewJob:
    """Check a new job, and address it to this backend.

    Raises:
        UnknownRoute: no such operation in the backend's document, or it can't be called.
        PayloadTooLarge: more than ``maxPayloadBytes``.
        PayloadNotJson: the text that was given for it is no JSON, or a text in it holds NUL.
        PayloadInvalid: it breaks the contract; every violation is listed.
        UnknownStrategy: it isn't registered.
    """
    return check_options(backend, new_job, _check_contract(backend, new_job))


def check_options(backend: Backend, new_job: NewJob, own: Operation) -> NewJob:
    """Check a new job's options, whatever its payload is; address it to its own operation.

    Raises:
        UnknownStrategy: it isn't registered.
    """
    retry = backend.config.retry
    new_job = new_job.for_backend(
        backend.name,
        path=own.name,
        max_retries=retry.max_retries if own.max_retries is None else own.max_retries,
        retry_strategy=retry.strategy,
        timeout=own.timeout if backend.config.timeout_overridable else None,
    )
    if new_job.retry_strategy not in backend.table.strategies:
        raise UnknownStrategy(strategy=new_job.retry_strategy, known=tuple(sorted(backend.table.strategies)))
    return new_job


def _callers_level() -> int:
    """Count frames, as a ``stacklevel`` for the calling function, up to code that enqueues.

    A fixed number won't do: from Python 3.12 on a comprehension has no frame, and a coroutine that was made
    into a task has the event loop above it.
    """
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    return level


def _check_contract(backend: Backend, new_job: NewJob) -> Operation:
    contract, path = backend.contract, new_job.path
    check = contract.check(path)
    if check is None:
        raise unknown_route(backend, path)
    size, limit = len(new_job.payload_json), backend.config.max_payload_bytes
    if size > limit:
        raise PayloadTooLarge(size=size, limit=limit)
    if violations := check.violations(_decoded(new_job)):
        raise PayloadInvalid(backend=backend.name, path=path, violations=tuple(violations))
    return check.operation


def unknown_route(backend: Backend, path: str) -> UnknownRoute:
    """Say of a text that it names no operation that can be called, or why it can't be."""
    contract = backend.contract
    for text in get_close_matches(path, contract.near(path), n=10, cutoff=0.5):
        contract.check(text)  # it may turn out that one of these can't be used
    known, reason = contract.near(path), contract.why_not(path)
    return UnknownRoute(backend=backend.name, path=path, known=known, reason=reason)


def _decoded(new_job: NewJob) -> Any:
    text = new_job.payload_json
    may_hold_nul = _BACKSLASH in text and ESCAPED_NUL in text
    if new_job.plain is not None and not may_hold_nul:
        return new_job.plain
    try:
        payload = decode(text.decode(), unique_keys=isinstance(new_job.payload, JsonText))
    except ValueError as error:
        raise PayloadNotJson(problem=str(error)) from error
    if may_hold_nul:
        for steps in _places_of_nul(payload, ()):
            problem = "the text holds NUL, which no database can look into"
            raise PayloadNotJson(pointer=pointer_of(steps), problem=problem)
    return payload


def _places_of_nul(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if "\0" in key:
                yield (*path, key.replace("\0", "\\0"))
            yield from _places_of_nul(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places_of_nul(item, (*path, index))
    elif isinstance(value, str) and "\0" in value:
        yield path
