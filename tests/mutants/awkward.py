"""Faults of stores that don't look like SQL, made in the classes of a run's store: a plugin of pytest.

``SP00KY_FAULT`` names the one that is made. Each changes classes, and tests of the suite must fail.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from functools import wraps
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_store_kit import Access, Either, Is, Row, Session, Table, TransactionalStore
from sp00ky_store_kit.memory import MemorySession, MemoryStore
from sp00ky_store_kit.schema import LIVE_STATUSES
from sp00ky_store_kit.watch import Notifications
from sp00ky_store_sqlite import SqliteStore
from sp00ky_store_sqlite.session import SqliteSession

__all__ = ["FAULTS", "Fault", "pytest_configure"]

SessionType = type[Session]
StoreType = type[TransactionalStore]
CLASSES: Mapping[str, tuple[SessionType, StoreType]] = {
    "sqlite": (SqliteSession, SqliteStore),
    "memory": (MemorySession, MemoryStore),
}
LONGEST_KEY, LONGEST_RESULT, SIGNALS = 400, 16 * 1024, 60


def keys_are_cut_off(session: SessionType, store: StoreType) -> None:
    """Compare keys by their first bytes."""
    insert: Any = session.insert

    @wraps(insert)
    async def inserted(self: Session, table: Table, rows: Sequence[Row]) -> None:
        for row in rows:
            key = row.get("dedup_key")
            if key is not None and len(key.encode()) > LONGEST_KEY:
                where = [Is("status", "in", LIVE_STATUSES), Is("dedup_key", "!=", None)]
                others = {other["dedup_key"] for other in await self.select(table, where)} - {key}
                if any(other.encode()[:LONGEST_KEY] == key.encode()[:LONGEST_KEY] for other in others):
                    raise RowRefused(store="here", problem="another row has the key")
            await insert(self, table, [row])

    session.insert = inserted  # type: ignore[method-assign]


def keys_are_forgotten(session: SessionType, store: StoreType) -> None:
    """Forget the dedup keys of jobs that have waited for an hour."""
    insert: Any = session.insert

    @wraps(insert)
    async def inserted(self: Session, table: Table, rows: Sequence[Row]) -> None:
        if "dedup_key" in table.kinds:
            before = await self.now() - timedelta(hours=1)
            await self.update(table, [Is("created_at", "<", before)], {"dedup_key": None})
        await insert(self, table, rows)

    session.insert = inserted  # type: ignore[method-assign]


def null_differs(session: SessionType, store: StoreType) -> None:
    """Take NULL for a value that differs from all others."""
    select: Any = session.select
    count: Any = session.count

    def differing(condition: Any) -> Any:
        differs = isinstance(condition, Is) and condition.operator in {"!=", "not in"}
        if not differs or condition.value is None:
            return condition
        return Either((condition, Is(condition.column, "=", None)))

    async def selected(self: Session, table: Table, where: Any = (), **options: Any) -> Any:
        return await select(self, table, list(map(differing, where)), **options)

    async def counted(self: Session, table: Table, where: Any = ()) -> Any:
        return await count(self, table, list(map(differing, where)))

    session.select, session.count = selected, counted  # type: ignore[method-assign]


def results_are_forgotten(session: SessionType, store: StoreType) -> None:
    """Write NULL for a long result."""
    update: Any = session.update
    update_many: Any = session.update_many

    def short(values: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**values, "result": None} if len(values.get("result") or "") > LONGEST_RESULT else values

    async def updated(self: Session, table: Table, where: Any, values: Mapping[str, Any]) -> Any:
        return await update(self, table, where, short(values))

    async def many(self: Session, table: Table, updates: Any) -> Any:
        return await update_many(self, table, [(where, short(values)) for where, values in updates])

    session.update, session.update_many = updated, many  # type: ignore[method-assign]


def order_is_lost(session: SessionType, store: StoreType) -> None:
    """Take the first of some rows, and not of an order."""
    select: Any = session.select

    async def selected(self: Session, table: Table, where: Any = (), **options: Any) -> list[Row]:
        limit = options.pop("limit", None)
        rows: list[Row] = await select(self, table, where, **options)
        if options.get("order"):
            rows = [*rows[1::2], *rows[::2]]
        return rows if limit is None else rows[:limit]

    session.select = selected  # type: ignore[method-assign]


def savepoints_undo_nothing(session: SessionType, store: StoreType) -> None:
    """Leave what a block has done."""
    session.savepoint = lambda self: nullcontext()  # type: ignore[method-assign]


def beats_wait_for_writers(session: SessionType, store: StoreType) -> None:
    """Queue a beat behind all writes."""
    run: Any = store.run

    async def ran(self: Any, work: Any, access: Access) -> Any:
        return await run(self, work, Access.WRITE if access is Access.BEAT else access)

    store.run = ran  # type: ignore[method-assign]


def signals_fall_silent(session: SessionType, store: StoreType) -> None:
    """Send so many signals, and no more."""
    send: Any = Notifications.send

    def sent(self: Any, **options: Any) -> None:
        self.sent = getattr(self, "sent", 0) + 1
        if self.sent <= SIGNALS:
            send(self, **options)

    Notifications.send = sent  # type: ignore[method-assign]


def others_commits_fall_silent(session: SessionType, store: StoreType) -> None:
    """Tell of so many commits of other connections, and no more."""
    run: Any = store.run
    changes: Any = store.changes
    commits: list[Access] = []

    async def ran(self: Any, work: Any, access: Access) -> Any:
        result = await run(self, work, access)
        commits.extend([access] if access is Access.WRITE else [])
        return result

    async def changed(self: Any) -> AsyncGenerator[None, None]:
        async for _ in changes(self):
            if len(commits) <= SIGNALS:
                yield

    store.run, store.changes = ran, changed  # type: ignore[method-assign]


def a_late_index_is_empty(session: SessionType, store: StoreType) -> None:
    """Keep rows that were there before an index from what is asked by it."""
    select: Any = session.select
    define: Any = session.define
    hidden: set[tuple[str, Any]] = set()

    async def defined(self: Any, statement: str) -> None:
        if "_claim_idx" in statement:
            table = statement.split('"')[3]
            rows, _ = await self.execute(f'SELECT id FROM "{table}"')  # noqa: S608
            hidden.update((table, key) for (key,) in rows)
        await define(self, statement)

    async def selected(self: Session, table: Table, where: Any = (), **options: Any) -> list[Row]:
        rows: list[Row] = await select(self, table, where, **options)
        by_index = any(isinstance(condition, Is) and condition.column == "priority" for condition in where)
        return [row for row in rows if not (by_index and (table.name, row.get("id")) in hidden)]

    session.define, session.select = defined, selected  # type: ignore[method-assign]


def commits_stay_in_memory(session: SessionType, store: StoreType) -> None:
    """Tell the database that a commit need not reach the disk."""
    connect: Any = SqliteStore._connect
    SqliteStore._connect = lambda self, *_: connect(self, "PRAGMA synchronous = OFF")  # type: ignore[method-assign]


def flags_say_too_little(session: SessionType, store: StoreType) -> None:
    """Claim to do nothing that a store may leave."""
    flags = ("transactions", "exact_order", "shared", "durable", "holds_any_row")
    store.capabilities = attrs.evolve(store.capabilities, **dict.fromkeys(flags, False))


@attrs.frozen
class Fault:
    """A fault, and what notices it.

    Attributes:
        make: Makes it in the classes of a session and a store.
        noticed_by: By the store's name, a test of the suite; or why none can, after ``none:``.
    """

    make: Callable[[SessionType, StoreType], None]
    noticed_by: Mapping[str, str]


AT_ONCE = "none: nothing there ever waits"
UNREFUSED = "none: nothing is refused there but what has a key twice"
POLLED = "none: it hears of its own commits as of others'"
NO_OTHERS = "none: there are no others"
NO_INDEX = "none: its indexes are always there"
NO_DISK = "none: it promises nothing beyond the process"
POWER_CUT = "none: a test can't cut the power; what has ended with its process is there all the same"

FAULTS = {
    fault.make.__name__: fault
    for fault in (
        Fault(keys_are_cut_off, dict.fromkeys(CLASSES, "keys_that_differ_at_their_ends_are_different")),
        Fault(keys_are_forgotten, dict.fromkeys(CLASSES, "a_job_that_waits_for_long_holds_its_key")),
        Fault(null_differs, dict.fromkeys(CLASSES, "null_meets_no_comparison_with_a_value")),
        Fault(results_are_forgotten, dict.fromkeys(CLASSES, "a_long_result_is_kept_whole")),
        Fault(order_is_lost, dict.fromkeys(CLASSES, "the_oldest_due_come_first")),
        Fault(
            savepoints_undo_nothing,
            {"sqlite": "a_refused_batch_leaves_nothing_in_a_callers_transaction", "memory": UNREFUSED},
        ),
        Fault(beats_wait_for_writers, {"sqlite": "a_beat_waits_for_no_queue_of_settles", "memory": AT_ONCE}),
        Fault(signals_fall_silent, {"sqlite": POLLED, "memory": "it_never_falls_silent"}),
        Fault(
            others_commits_fall_silent,
            {"sqlite": "others_work_never_falls_silent", "memory": NO_OTHERS},
        ),
        Fault(
            a_late_index_is_empty,
            {"sqlite": "an_index_that_is_made_later_holds_what_was_there", "memory": NO_INDEX},
        ),
        Fault(
            flags_say_too_little,
            {
                "sqlite": "is_taken_where or is_shared_where or is_durable_where or any_row_where",
                "memory": "is_taken_where or any_row_where",
            },
        ),
        Fault(commits_stay_in_memory, {"sqlite": POWER_CUT, "memory": NO_DISK}),
    )
}
"""Faults by their names."""


def pytest_configure() -> None:
    """Make the fault that is asked for."""
    name, _, store = os.environ.get("SP00KY_FAULT", "").partition("@")
    if name:
        FAULTS[name].make(*CLASSES[store])
