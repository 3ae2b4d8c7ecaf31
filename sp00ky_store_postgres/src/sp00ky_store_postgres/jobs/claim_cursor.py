"""Remember how far claims have got, so that the next one needn't step over what was claimed before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

import attrs

from sp00ky_core.stores.filters import BEGINNING
from sp00ky_store_postgres.connection.executor import Row
from sp00ky_store_postgres.rows import PRIORITY, RUN_AT
from sp00ky_store_postgres.sql.claim_statements import MOST_KEYS, PRIORITIES


class More(Enum):
    """Whether another claim of a table finds jobs that this one hasn't looked at."""

    NO = "no"
    NEXT = "next"  # the caller's next claim goes on with further keys
    AT_ONCE = "at once"  # there are keys that no claim has looked at since they may have been due


@attrs.define
class _Keys:
    """The place up to which claims have looked through the ordering keys of a table.

    Attributes:
        after: The last key that was looked at; empty: the next claim looks at the first ones.
        took_all: Whether every claim since the first keys has taken all that it found.
    """

    after: str = ""
    took_all: bool = True


class ClaimCursors:
    """Places in the indexes of claims, by table.

    While there is a backlog, most claims start where the one before has ended: in front of that lie the index
    entries of jobs claimed since the last vacuum, and stepping over them would cost more each second. Of many
    ordering keys each claim looks at the next ones.
    """

    def __init__(self) -> None:
        self._reached: dict[tuple[str, int], datetime] = {}  # by table and priority
        self._keys: dict[str, _Keys] = {}  # of the tables that have jobs with ordering keys

    @property
    def keyed(self) -> frozenset[str]:
        """List the tables that have jobs with ordering keys, as far as is known."""
        return frozenset(self._keys)

    @property
    def at_start(self) -> bool:
        """Tell whether the next claims start at the oldest jobs."""
        return not self._reached

    def start_over(self) -> None:
        """Start the next claims at the oldest job: one may be due that is older than the last claimed."""
        self._reached.clear()

    def is_ahead(self, table: str) -> bool:
        """Tell whether the next claim doesn't start at the oldest job of each priority."""
        return any((table, priority) in self._reached for priority in PRIORITIES)

    def since(self, table: str) -> list[datetime]:
        """Return from which ``run_at`` on each priority is looked at, in the order of ``PRIORITIES``."""
        return [self._reached.get((table, priority), BEGINNING) for priority in PRIORITIES]

    def after(self, table: str) -> str:
        """Return the ordering key after which is looked."""
        keys = self._keys.get(table)
        return "" if keys is None else keys.after

    def arguments(self, table: str, slots: int) -> list[object]:
        """Return a table's arguments of the claim that begins here."""
        after = [self._keys[table].after] if table in self._keys else []
        return [slots, *self.since(table), *after]

    def reach(self, table: str, slots: int, rows: Sequence[Row]) -> None:
        """Take note of the rows that a claim has got, the oldest first."""
        if len(rows) < slots or not rows:
            for priority in PRIORITIES:
                self._reached.pop((table, priority), None)
        for row in rows if len(rows) == slots else ():
            self._reached[table, row[PRIORITY]] = row[RUN_AT]

    def look(self, table: str, seen: Mapping[str, Any] | None, *, filled: bool) -> More:
        """Take note of the keys that a claim has looked at; say whether another claim finds more.

        Args:
            table: its name.
            seen: what the claim says of its keys; without their number: there are some, and it took nothing;
                None: there are none.
            filled: it got as many jobs as it wanted.
        """
        if seen is None:
            return More.NO
        keys = self._keys.setdefault(table, _Keys())
        count = seen.get("keys")
        if count is None:
            return More.AT_ONCE
        if count >= MOST_KEYS:
            keys.after, keys.took_all = seen["last"], keys.took_all and not filled
            return More.NO if filled else More.NEXT
        missed = not keys.took_all and not filled
        if count or keys.after:
            self._keys[table] = _Keys()
        else:
            del self._keys[table]
        return More.AT_ONCE if missed else More.NO
