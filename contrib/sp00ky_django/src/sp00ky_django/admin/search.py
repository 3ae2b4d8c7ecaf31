"""Search jobs by what they are assigned to, their dedup key, or the beginning of their id."""

from __future__ import annotations

import re
from uuid import UUID

from django.db.models import Q

__all__ = ["matching"]

LEAST_DIGITS = 4
"""Of an id without its table: fewer would find far more ids than anyone means."""

_START = re.compile(r"[0-9a-fA-F-]{1,36}")


def matching(term: str, table: str, *, is_postgres: bool) -> Q:
    """Return the condition; each part of it can use an index, but for the dedup keys of ended jobs."""
    named, _, start = term.rpartition(":")
    if named == table:
        return _starting(start, is_postgres=is_postgres)
    conditions = Q(assigned_to=term) | Q(dedup_key=term)
    if _START.fullmatch(term) and len(term.replace("-", "")) >= LEAST_DIGITS:
        conditions |= _starting(term, is_postgres=is_postgres)
    return conditions


def _starting(start: str, *, is_postgres: bool) -> Q:
    """Return the condition on a range of keys, which their index answers."""
    if not is_postgres:
        return Q(pk__gte=start, pk__lt=f"{start}\U0010ffff")
    digits = start.replace("-", "")
    if not _START.fullmatch(digits) or len(digits) > UUID_DIGITS:
        return Q(pk__in=[])
    return Q(pk__range=(UUID(digits.ljust(UUID_DIGITS, "0")), UUID(digits.ljust(UUID_DIGITS, "f"))))


UUID_DIGITS = 32
