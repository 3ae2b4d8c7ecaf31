"""The databases that can be broken, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import attrs
from tests.chaos.database import Database
from tests.chaos.postgres import postgres
from tests.chaos.surreal import surreal, why_no_surreal

__all__ = ["DATABASES", "Choice"]

MANY = 100


@attrs.frozen(kw_only=True)
class Choice:
    """A database that a session can run on."""

    opened: Callable[[], AbstractAsyncContextManager[Database]]
    why_not: Callable[[], str] = str
    """Empty where it is available."""
    most_runners: int = MANY


DATABASES: Mapping[str, Choice] = {
    "postgres": Choice(opened=postgres),
    "surreal": Choice(opened=surreal, why_not=why_no_surreal),
}
