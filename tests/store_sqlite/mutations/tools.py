"""Alter sessions and functions: what mutations are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
import pytest

from sp00ky_core.gate.breaker import Breaker
from sp00ky_core.job import Job
from sp00ky_core.stores.transactional import Is, Where
from sp00ky_core.stores.transactional.jobs import (
    claim,
    settle,
)
from sp00ky_core.stores.transactional.schema import definition
from sp00ky_store_sqlite import SqliteStore

NEVER = Is("id", "in", ())
Patch = pytest.MonkeyPatch


@attrs.frozen
class Mutation:
    """A fault.

    Attributes:
        noticed_by: Names of tests, each of which must fail.
        patch: Breaks something, for the time of a test.
        store: The class that the store is made of.
    """

    noticed_by: tuple[str, ...]
    patch: Callable[[Patch], None] = lambda _: None
    store: type[SqliteStore] = SqliteStore


class Altered:
    """A session whose statements aren't quite what they were."""

    def __init__(self, session: Any, **alterations: Callable[[Any], Any]) -> None:
        self._session = session
        self._alter = alterations

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def select(self, table: Any, where: Sequence[Where] = (), **options: Any) -> Any:
        if "order" in options and "order" in self._alter:
            options["order"] = self._alter["order"](options["order"])
        return await self._session.select(table, self._where(where), **options)

    async def update(self, table: Any, where: Sequence[Where], values: Mapping[str, Any]) -> int:
        alter = self._alter.get("values", lambda same: same)
        return int(await self._session.update(table, where, alter(dict(values))))

    def _where(self, where: Sequence[Where]) -> Sequence[Where]:
        alter = self._alter.get("where", lambda same: same)
        return [each for each in map(alter, where) if each is not None]


def altering(function: Callable[..., Any], **alterations: Callable[[Any], Any]) -> Callable[..., Any]:
    """The same work on an altered session; of a method the session is the second argument."""

    async def altered(*args: Any, **options: Any) -> Any:
        sessions = [Altered(each, **alterations) if hasattr(each, "savepoint") else each for each in args]
        return await function(*sessions, **options)

    return altered


def without(*columns: str) -> Callable[[Any], Any]:
    """Drop columns from what is written."""
    return lambda values: {name: value for name, value in values.items() if name not in columns}


def after(function: Callable[..., Any], change: Callable[..., Any]) -> Callable[..., Any]:
    """Call, and change the result: ``change(result, *args)``."""
    return lambda *args, **options: change(function(*args, **options), *args)


def setting(module: Any, name: str, value: Any) -> Callable[[Patch], None]:
    """Replace one name."""
    return lambda patch: patch.setattr(module, name, value)


def each_of(*patches: Callable[[Patch], None]) -> Callable[[Patch], None]:
    """Apply several patches."""

    def apply(patch: Patch) -> None:
        for one in patches:
            one(patch)

    return apply


def claims(**alterations: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """Alter the statements of claims."""
    claiming = claim.Claiming
    names = ("claim", "look")
    return each_of(
        *(setting(claiming, each, altering(getattr(claiming, each), **alterations)) for each in names)
    )


def settled_with(change: Callable[[Job, Job, Any, datetime], Job]) -> Callable[[Patch], None]:
    """Change what a transition makes of a job: ``change(after, before, transition, now)``."""
    return setting(settle, "applied", after(settle.applied, change))


def written_without(module: Any, *columns: str) -> Callable[[Patch], None]:
    """Drop columns from what a transition writes."""
    return setting(module, "changes", after(module.changes, lambda values, *_: without(*columns)(values)))


def breakers_seen_as(change: Callable[[Breaker], Breaker]) -> Callable[[Patch], None]:
    """Have claims see other breakers than there are."""
    read = claim.read_breakers

    async def seen(*args: Any) -> dict[str, Breaker]:
        return {backend: change(each) for backend, each in (await read(*args)).items()}

    return setting(claim, "read_breakers", seen)


def index_of_keys(where: tuple[Where, ...] | None) -> Callable[[Patch], None]:
    """Change the condition of the index that keeps dedup keys apart; None: there is no such index."""
    indexes = without_index("dedup")
    if where is not None:
        indexes = (*indexes, definition.Index("dedup", ("dedup_key",), where, unique=True))
    return setting(definition, "_JOB_INDEXES", indexes)


def without_index(name: str) -> tuple[definition.Index, ...]:
    """The indexes of jobs but one."""
    return tuple(each for each in definition._JOB_INDEXES if each.name != name)
