"""Keep the memory store's log of operators' acts."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import attrs

from sp00ky_core.ports import AUDIT_KEPT, Act, AuditEntry
from sp00ky_core.stores.filters import unknown_entry
from sp00ky_core.stores.ids import new_key
from sp00ky_core.stores.memory.tables import MemoryTables

__all__ = ["MemoryAudit"]


class MemoryAudit(MemoryTables):
    """The calls of a memory store about its audit; a base of it."""

    async def start_audit(self, act: Act) -> str:
        """See ``Store.start_audit``."""
        self._check_open()
        entry = AuditEntry(id=new_key(), at=self._now(), **attrs.asdict(act, recurse=False))
        self._acts[entry.id] = entry
        return entry.id

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """See ``Store.update_audit``."""
        self._check_open()
        entry = self._acts.get(entry_id)
        if entry is not None:
            ended_at = self._now() if ended else entry.ended_at
            self._acts[entry_id] = attrs.evolve(entry, count=count, ended_at=ended_at)

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """See ``Store.audit``."""
        self._check_open()
        newest_first = sorted(self._acts.values(), key=_age, reverse=True)
        if after is not None and after not in self._acts:
            raise unknown_entry(after)
        last = None if after is None else _age(self._acts[after])
        found = (each for each in newest_first if last is None or _age(each) < last)
        return list(islice((each for each in found if since is None or each.at >= since), limit))

    def _prune_audit(self) -> None:
        oldest = self._now() - timedelta(seconds=AUDIT_KEPT)
        self._acts = {each.id: each for each in self._acts.values() if each.at > oldest}


def _age(entry: AuditEntry) -> tuple[datetime, str]:
    return entry.at, entry.id
