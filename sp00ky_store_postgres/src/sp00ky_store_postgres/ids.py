"""Read the keys in jobs' ids: uuids, as PostgreSQL writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.ids import table_of

_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OTHER_NOTATION = re.compile(r"[0-9a-fA-F]{32}")


def key_of(job_id: str) -> str | None:
    """Return the key that an id names, as PostgreSQL writes a uuid; None: it names none."""
    key = job_id.partition(":")[2]
    return key if is_key(key) else None


def is_key(key: str) -> bool:
    """Tell whether it is a key as PostgreSQL writes it."""
    return _KEY.fullmatch(key) is not None


def hyphenated(key: str) -> str:
    """Write 32 hex digits as PostgreSQL does."""
    return f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"


def canonical(job_id: str) -> str:
    """Return an id as it is in every reply; its uuid may have been given without hyphens, or in capitals."""
    table, _, key = job_id.partition(":")
    digits = key.replace("-", "")
    return f"{table}:{hyphenated(digits.lower())}" if _OTHER_NOTATION.fullmatch(digits) else job_id


def with_canonical_ids(query: JobQuery) -> JobQuery:
    """Return a query with its ids as they are in every reply."""
    return query if query.ids is None else attrs.evolve(query, ids=tuple(map(canonical, query.ids)))


def keys_by_table(job_ids: Iterable[str]) -> dict[str, list[str]]:
    """Group keys by the tables that the ids name; what is no id is left out."""
    keys: dict[str, list[str]] = {}
    for job_id in job_ids:
        key = key_of(job_id)
        if key is not None:
            keys.setdefault(table_of(job_id), []).append(key)
    return keys
