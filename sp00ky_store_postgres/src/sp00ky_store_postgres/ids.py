"""Write the ids of jobs as PostgreSQL does, whichever notation of a uuid they were given in."""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from sp00ky_core.ports import JobQuery

is_key: Callable[[str], re.Match[str] | None] = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
).fullmatch
"""Tells whether a text is a key as PostgreSQL writes it."""

_OTHER_NOTATION = re.compile(r"[0-9a-fA-F]{32}")


def key_of(job_id: str) -> str | None:
    """Return the key that an id names, as PostgreSQL writes a uuid; None: it names none."""
    key = job_id.partition(":")[2]
    return key if is_key(key) else None


def hyphenated(key: str) -> str:
    """Write 32 hex digits as PostgreSQL does."""
    return f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"


def keys_between(start: str) -> tuple[str, str] | None:
    """Return the first and the last key that starts so; None: none does."""
    digits = start.replace("-", "").lower()
    if not re.fullmatch("[0-9a-f]{0,32}", digits):
        return None
    return hyphenated(digits.ljust(32, "0")), hyphenated(digits.ljust(32, "f"))


def canonical(job_id: str) -> str:
    """Return an id as it is in every reply; its uuid may have been given without hyphens, or in capitals."""
    table, _, key = job_id.partition(":")
    digits = key.replace("-", "")
    return f"{table}:{hyphenated(digits.lower())}" if _OTHER_NOTATION.fullmatch(digits) else job_id


def with_canonical_ids(query: JobQuery) -> JobQuery:
    """Return a query with its ids as they are in every reply."""
    return query if query.ids is None else attrs.evolve(query, ids=tuple(map(canonical, query.ids)))
