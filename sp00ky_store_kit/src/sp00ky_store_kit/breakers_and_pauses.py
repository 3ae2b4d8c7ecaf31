"""Share among runners what holds a backend's jobs back: its breaker, pause, limits and settings."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Unpack

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.gate.breaker import Breaker, BreakerChange, breaker_of, changed, fits
from sp00ky_core.ports import (
    LONGEST_PROBE,
    LONGEST_TEXT,
    ActOptions,
    BreakerResult,
    JobTable,
    Pause,
    SettingsRecord,
)
from sp00ky_core.stores.decisions import Allowance
from sp00ky_core.stores.rows import UNREAD, instant_of
from sp00ky_store_kit.connection.session import Is, Row, Session, Where
from sp00ky_store_kit.rows import JobRows, Tables
from sp00ky_store_kit.schema import BREAKERS, CONTROLS


async def read_breakers(session: Session, tables: Iterable[JobTable], now: datetime) -> dict[str, Breaker]:
    """Read the breakers of tables' backends, without those that are as if new."""
    by_backend = {table.backend: table for table in tables}
    rows = await session.select(BREAKERS, [Is("backend", "in", tuple(by_backend))])
    breakers = {row["backend"]: _breaker(row, by_backend[row["backend"]], now) for row in rows}
    return {backend: breaker for backend, breaker in breakers.items() if breaker != Breaker()}


async def change_breaker(session: Session, table: JobTable, change: BreakerChange) -> BreakerResult:
    """Write a change if the breaker is as it was before it."""
    where = [Is("backend", "=", change.backend)]
    row = next(iter(await session.select(BREAKERS, where, lock=True)), None)
    now, written = await session.now(), fits(row or {}, change.before)
    if written:
        values = changed(row or {}, change, now, longest_pause=table.longest_pause)
        if row is None:
            written = await session.insert_once(BREAKERS, {"backend": change.backend, **values})
        else:
            written = await session.update(BREAKERS, _guard_of(row), values) > 0
    breakers = await read_breakers(session, [table], now)
    return BreakerResult(written=written, breaker=breakers.get(change.backend, Breaker()))


async def take_probe(session: Session, table: JobTable, runner_id: str) -> Row | None:
    """Give a runner the probe of an open breaker; its row as it was, None: another has it, or none is due."""
    now = await session.now()
    for row in await session.select(BREAKERS, [Is("backend", "=", table.backend)]):
        values = {"probe_runner": runner_id, "probe_until": now + timedelta(seconds=table.probe_lease)}
        if _breaker(row, table, now).wants_probe and await session.update(BREAKERS, _guard_of(row), values):
            return row
    return None


async def give_back_probe(session: Session, before: Row) -> None:
    """Undo ``take_probe``, in its transaction: there was no job to try."""
    values = {name: before[name] for name in ("probe_runner", "probe_until")}
    await session.update(BREAKERS, [Is("backend", "=", before["backend"])], values)


def _breaker(row: Row, table: JobTable, now: datetime) -> Breaker:
    return breaker_of(row, now, longest_pause=table.longest_pause, longest_probe=LONGEST_PROBE)


def _guard_of(row: Row) -> list[Where]:
    """Name the row, as long as it is as it was read: another transaction may have committed meanwhile."""
    return [Is(name, "=", value) for name, value in row.items()]


async def lock_control(session: Session, backend: str) -> bool:
    """Lock a backend's row, which is made where it is missing; False: another transaction has it."""
    where = [Is("backend", "=", backend)]
    if await session.select(CONTROLS, where, columns=["backend"], lock=True):
        return True
    is_locked = await session.count(CONTROLS, where)
    return not is_locked and await session.insert_once(CONTROLS, {"backend": backend})


async def spend(stored: JobRows, allowance: Allowance, taken: int) -> None:
    """Write down that jobs were taken; each has cost a token."""
    if (tokens := allowance.tokens_after(taken)) is not None:
        values = {"tokens": tokens, "tokens_at": stored.now}
        await stored.session.update(CONTROLS, [Is("backend", "=", stored.table.backend)], values)


LONGEST_PAUSE = 3_650 * 86_400.0
"""Seconds: a pause that ends later than any job can be due."""

NO_PAUSE: Row = {"paused": 0, **dict.fromkeys(("paused_until", "reason", "actor", "since"))}


async def pause(
    session: Session,
    tables: Mapping[str, JobTable],
    backend: str,
    *,
    seconds: float | None = None,
    **act: Unpack[ActOptions],
) -> bool:
    """Pause a backend; whether it wasn't paused before."""
    row, now = await _made(session, tables, backend), await session.now()
    before = pause_of(row, now)
    values: Row = {
        **NO_PAUSE,
        **act,
        "paused": 1,
        "paused_until": None if seconds is None else now + timedelta(seconds=min(seconds, LONGEST_PAUSE)),
        "since": now if before is None else before.since,
    }
    await session.update(CONTROLS, [Is("backend", "=", backend)], values)
    return before is None


async def resume(session: Session, tables: Mapping[str, JobTable], backend: str) -> bool:
    """End a pause; whether there was one."""
    row = await _locked(session, tables, backend)
    if row is None or pause_of(row, await session.now()) is None:
        return False
    await session.update(CONTROLS, [Is("backend", "=", backend)], NO_PAUSE)
    return True


async def read_controls(session: Session, tables: Iterable[JobTable]) -> dict[str, Row]:
    """Read the rows of tables' backends that have been paused or limited, by backend."""
    backends = tuple(table.backend for table in tables)
    rows = await session.select(CONTROLS, [Is("backend", "in", backends)])
    return {row["backend"]: row for row in rows}


def pauses_of(controls: Mapping[str, Row], now: datetime) -> dict[str, Pause]:
    """Return the pauses that hold now, by backend."""
    pauses = {backend: pause_of(row, now) for backend, row in controls.items()}
    return {backend: pause for backend, pause in pauses.items() if pause is not None}


def pause_of(row: Row, now: datetime) -> Pause | None:
    """Return the pause that holds now."""
    until = instant_of(row.get("paused_until"))
    if not row.get("paused") or (until is not None and until <= now):
        return None
    return Pause(until=until, since=instant_of(row["since"]), reason=row["reason"], actor=row["actor"])


def seconds_left(paused: Pause, now: datetime) -> float:
    """Return how long a pause lasts yet; infinity: until it is resumed."""
    return math.inf if paused.until is None else (paused.until - now).total_seconds()


NO_SETTINGS: Row = dict.fromkeys(("settings", "settings_until", "settings_by"))


async def change_settings(
    session: Session,
    tables: Mapping[str, JobTable],
    backend: str,
    values: Mapping[str, Any],
    *,
    seconds: float | None = None,
    actor: str | None = None,
) -> None:
    """Set values of a backend beside those that hold."""
    row, now = await _made(session, tables, backend), await session.now()
    before = settings_of(row, now) or SettingsRecord(values={})
    until = before.until if seconds is None else now + timedelta(seconds=min(seconds, LONGEST_PAUSE))
    changed: Row = {"settings": json.dumps({**before.values, **values})}
    changed |= {"settings_until": until, "settings_by": actor}
    await session.update(CONTROLS, [Is("backend", "=", backend)], changed)


async def reset_settings(session: Session, tables: Mapping[str, JobTable], backend: str) -> bool:
    """Forget what is set of a backend; whether anything was."""
    row = await _locked(session, tables, backend)
    if row is None or settings_of(row, await session.now()) is None:
        return False
    await session.update(CONTROLS, [Is("backend", "=", backend)], NO_SETTINGS)
    return True


async def read_settings(session: Session, tables: Tables) -> Mapping[str, SettingsRecord]:
    """Return what is set and holds now, by backend."""
    controls, now = await read_controls(session, tables), await session.now()
    records = {backend: settings_of(row, now) for backend, row in controls.items()}
    return {backend: record for backend, record in records.items() if record is not None}


def settings_of(row: Row, now: datetime) -> SettingsRecord | None:
    """Return the settings that hold now; another client may have written anything."""
    until, values = instant_of(row.get("settings_until")), row.get("settings")
    if values is None or (until is not None and until <= now):
        return None
    read, problem = None, "it is no JSON object"
    if values == UNREAD or len(values) > LONGEST_TEXT:  # it isn't parsed every 2 s
        problem = f"it is over {LONGEST_TEXT:,} bytes"
    else:
        with suppress(ValueError):
            read = decode(values)
    held, ignored = (read, {}) if isinstance(read, dict) else ({}, {"settings": problem})
    return SettingsRecord(values=held, ignored=ignored, until=until, actor=row.get("settings_by"))


async def _made(session: Session, tables: Mapping[str, JobTable], backend: str) -> Row:
    """Lock a backend's row, which is made where it is missing, and return it."""
    row = await _locked(session, tables, backend)
    if row is None:
        await session.insert_once(CONTROLS, {"backend": backend})
        row = await _locked(session, tables, backend)
    return row or {}


async def _locked(session: Session, tables: Mapping[str, JobTable], backend: str) -> Row | None:
    """Read a backend's row once no other transaction writes it; none can until the end of this one.

    Raises:
        UnknownBackend: No table is its.
    """
    where = [Is("backend", "=", tables[backend].backend)]
    if not await session.update(CONTROLS, where, {"backend": backend}):
        return None  # one that is there a moment later isn't locked
    return next(iter(await session.select(CONTROLS, where)), None)
