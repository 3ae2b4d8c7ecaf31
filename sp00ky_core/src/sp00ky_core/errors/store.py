"""Raise what a store reports."""

from __future__ import annotations

import attrs

from sp00ky_core.errors.base import Sp00kyError

__all__ = [
    "CallUnsupported",
    "StoreError",
    "StoreUnavailable",
    "StoreClosed",
    "OtherEventLoop",
    "StoreInUse",
    "SchemaError",
    "RowRefused",
    "QueryRefused",
]


@attrs.define(kw_only=True, eq=False)
class CallUnsupported(Sp00kyError):
    """The store has nothing of the kind; nothing was written.

    Attributes:
        store: Its URL without secrets.
        call: The call.
        instead: What to use on this store.
    """

    exit_code = 2
    store: str
    call: str
    instead: str

    def __str__(self) -> str:
        return f"{self.store} has no {self.call}: {self.instead}"


@attrs.define(kw_only=True, eq=False)
class StoreError(Sp00kyError):
    """The base of what a store reports; ``store`` is its URL without secrets.

    Attributes:
        store: The store's URL without secrets.
        problem: What is wrong, in words.
    """

    store: str
    problem: str

    def __str__(self) -> str:
        return f"{self.store}: {self.problem}"


@attrs.define(kw_only=True, eq=False)
class StoreUnavailable(StoreError):
    """The database can't be reached now; the same call may work later."""


@attrs.define(kw_only=True, eq=False)
class StoreClosed(StoreError):
    """The outbox (or its store) was not opened, or has been closed; the database wasn't asked.

    Attributes:
        problem: What is wrong, in words.
    """

    problem: str = "the outbox isn't open: use it inside `async with Outbox.open(...)`"


@attrs.define(kw_only=True, eq=False)
class OtherEventLoop(StoreError):
    """The outbox is open in another event loop than the one that uses it; the database wasn't asked.

    Attributes:
        problem: What is wrong, in words.
    """

    problem: str = (
        "the outbox was opened in another event loop, which its connections belong to: "
        "open an Outbox in each loop, or one SyncOutbox for all threads"
    )


@attrs.define(kw_only=True, eq=False)
class StoreInUse(StoreError):
    """Another process owns the embedded database's file."""


@attrs.define(kw_only=True, eq=False)
class SchemaError(StoreError):
    """The database's tables aren't what the store needs: say which, and what to run."""


@attrs.define(kw_only=True, eq=False)
class RowRefused(StoreError):
    """The database refused a row that was to be written (an ASSERT, a CHECK, a permission)."""


@attrs.define(kw_only=True, eq=False)
class QueryRefused(StoreError):
    """A schedule's ``forEach.query`` can't be run: it doesn't only read, or the database refuses it."""
