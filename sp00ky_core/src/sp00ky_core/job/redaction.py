"""Take out of a job what it carries: its payload, its result, the reasons of its errors, its keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import JsonObject, decode, encode, steps_of
from sp00ky_core.job.job import Job

__all__ = ["redacted", "without_keys"]

REDACTED = "(redacted)"
"""Stands for a value that was taken out."""

KEYS = ("dedup_key", "ordering_key", "assigned_to")
"""Columns that may say whom a job is for."""


def redacted(job: Job, pointers: Sequence[str]) -> Job:
    """Return a job without what it carries; its ids, times, statuses and codes stay.

    Args:
        job: Whole.
        pointers: JSON pointers: of payload and result only these values are taken out; none: all.

    Raises:
        ValueError: As ``matched``, or what is left can't be written.
    """
    errors = tuple(attrs.evolve(error, reason=REDACTED, trace="") for error in job.errors)
    if not pointers:
        return attrs.evolve(job, payload_json=JsonObject(b"{}"), result_json=None, errors=errors)
    payload, result = _without(job.payload_json, pointers), job.result_json
    result = None if result is None else _without(result, pointers)
    return attrs.evolve(job, payload_json=payload, result_json=result, errors=errors)


def without_keys(job: Job) -> Job:
    """Return a job that says no more whom it is for."""
    return attrs.evolve(job, dedup_key=None, ordering_key=None, assigned_to=None)


def matched(job: Job, pointers: Sequence[str]) -> frozenset[str]:
    """Return those pointers that lead to a value in the job's payload or result.

    Raises:
        ValueError: One can't be read, or has a key twice: then a value may be where no pointer leads.
    """
    documents = [
        decode(text, unique_keys=True) for text in (job.payload_json, job.result_json) if text is not None
    ]
    return frozenset(
        pointer for pointer in pointers if any(_place(document, pointer) for document in documents)
    )


def _without(text: bytes, pointers: Sequence[str]) -> bytes:
    document = decode(text, unique_keys=True)
    places = [place for pointer in pointers if (place := _place(document, pointer))]
    for holder, key in places:
        holder[key] = REDACTED
    return encode(document) if places else text


def _place(document: Any, pointer: str) -> tuple[Any, Any] | None:
    """Return the object or list that holds the value, and where in it; None: there is none."""
    *steps, last = steps_of(pointer)
    for step in steps:
        key = _key(document, step)
        if key is None:
            return None
        document = document[key]
    key = _key(document, last)
    return None if key is None else (document, key)


def _key(document: Any, step: str) -> str | int | None:
    if isinstance(document, dict):
        return step if step in document else None
    if isinstance(document, list) and step.isdecimal() and step.isascii() and int(step) < len(document):
        return int(step)
    return None
