"""Claim due jobs: all backends in one round trip, oldest due first."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sp00ky_core.errors import SchemaError, StoreError, StoreUnavailable
from sp00ky_core.job import Job
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.errors import Conflict, ReplyUnreadable, StatementInvalid, reason_of
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.mapping import duration_text
from sp00ky_store_surreal.queries import NUL, quoted, surql
from sp00ky_store_surreal.reading import Id, jobs_in, load_safely, reply_keys

__all__ = ["Claimer"]

_log = logging.getLogger(__name__)
_MOST_UNWRITABLE = 1_000


class Claimer:
    """Claims; remembers the rows that the database lets nobody write, so that they cost no other row."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._unwritable: dict[str, Id] = {}

    async def claim(self, slots: Sequence[tuple[JobTable, int]], runner_id: str) -> list[Job]:
        """See ``Store.claim``."""
        statement = surql("paused")
        bindings: dict[str, Any] = {"runner": runner_id, **NUL}
        for number, (table, count) in enumerate(slots):
            statement += _part(number, table, but=self._but()) + surql("reply", n=str(number))
            bindings |= _bindings(number, table, count)
        if self._unwritable:
            bindings["unwritable"] = list(self._unwritable.values())
        try:
            reply = await self._connection.write(statement, **bindings)
        except (StoreUnavailable, SchemaError, StatementInvalid, Conflict, ReplyUnreadable):
            raise
        except StoreError:
            return await self._claim_singly(slots, runner_id)
        claimed: list[Job] = []
        for number, (table, _) in enumerate(slots):
            # paused, then per backend: ids, rows, text, the reply
            claimed += await jobs_in(self._connection, table, reply[4 * (number + 1)])
        return claimed

    def _but(self) -> str:
        return " AND id NOT IN <array<record>>$unwritable" if self._unwritable else ""

    async def _claim_singly(self, slots: Sequence[tuple[JobTable, int]], runner_id: str) -> list[Job]:
        claimed: list[Job] = []
        paused = set((await self._connection.read(surql("paused") + "RETURN $paused;"))[-1])
        for table, count in slots:
            if table.backend not in paused:
                ids = await self._claim_each(table, count, runner_id)
                claimed += await load_safely(self._connection, table, ids) if ids else []
        return claimed

    async def _claim_each(self, table: JobTable, count: int, runner_id: str) -> list[Id]:
        bindings = {"unwritable": list(self._unwritable.values())} if self._unwritable else {}
        names = {"table": quoted(table.table), "but": self._but()}
        reply = await self._connection.read(surql("pending_ids", **names), slots=count, **bindings)
        statement = surql("claim_one", lease=_lease(table, ""))
        lease: dict[str, Any] = _lease_bindings(table, "")
        claimed: list[Id] = []
        for row in reply[0]:
            try:
                done = await self._connection.write(statement, id=row["id"], runner=runner_id, **lease)
            except (StoreUnavailable, SchemaError, StatementInvalid, Conflict):
                raise
            except StoreError as error:
                self._skip(row["id"], error)
            else:
                claimed += [each["id"] for each in done[-1]]
        return claimed

    def _skip(self, row_id: Id, error: StoreError) -> None:
        text = id_text(row_id)
        _log.error("job %s can't be claimed, the database refuses to write it: %s", text, reason_of(error))
        if len(self._unwritable) < _MOST_UNWRITABLE:
            self._unwritable[text] = row_id


def _part(number: int, table: JobTable, *, but: str) -> str:
    return surql("claim", table=quoted(table.table), n=str(number), lease=_lease(table, str(number)), but=but)


def _bindings(number: int, table: JobTable, count: int) -> Mapping[str, Any]:
    return {
        f"backend{number}": table.backend,
        f"slots{number}": count,
        **_lease_bindings(table, str(number)),
        **reply_keys(number, table),
    }


def _lease(table: JobTable, number: str) -> str:
    usual = f"<duration>$lease{number}"
    if not table.timeout_overridable:
        return usual
    seconds = "<duration>(<string>(<int>math::ceil(math::clamp(timeout, 1, 86400))) + 's')"
    own = f"{seconds} + <duration>$margin{number}"
    return f"(IF timeout.is_int() OR timeout.is_float() {{ {own} }} ELSE {{ {usual} }})"


def _lease_bindings(table: JobTable, number: str) -> dict[str, Any]:
    lease: dict[str, Any] = {f"lease{number}": duration_text(table.timeout + table.lease_margin)}
    if table.timeout_overridable:
        lease[f"margin{number}"] = duration_text(table.lease_margin)
    return lease
