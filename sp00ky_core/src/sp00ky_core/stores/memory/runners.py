"""Keep the memory store's runners: their beats, and what operators ask of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs

from sp00ky_core.ports import NO_INFO, RunnerBeat, RunnerInfo, RunnerRecord
from sp00ky_core.stores.memory.tables import MemoryTables

__all__ = ["MemoryRunners"]

FORGOTTEN = timedelta(days=1)
"""Since its last beat: a runner's row is removed then."""


class MemoryRunners(MemoryTables):
    """The calls of a memory store about runners; a base of it."""

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        self._check_open()
        now = self._now()
        before = self._runners.get(runner_id)
        if before is not None and before.info.draining:
            info = attrs.evolve(info, draining=True)
        self._runners[runner_id] = RunnerRecord(
            id=runner_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=now if before is None else before.started_at,
            beat_at=now,
            silent_for=0.0,
            info=info,
        )
        self._runners = {each.id: each for each in self._runners.values() if each.beat_at > now - FORGOTTEN}
        return {each.id: RunnerBeat(at=each.beat_at, info=each.info) for each in self._runners.values()}

    async def runners(self) -> list[RunnerRecord]:
        """See ``Store.runners``."""
        self._check_open()
        now = self._now()
        youngest_first = sorted(self._runners.values(), key=lambda each: each.started_at, reverse=True)
        return [
            attrs.evolve(each, silent_for=max((now - each.beat_at).total_seconds(), 0.0))
            for each in youngest_first
        ]

    async def drain_runner(self, runner_id: str) -> bool:
        """See ``Store.drain_runner``."""
        self._check_open()
        found = self._runners.get(runner_id)
        if found is not None:
            info = attrs.evolve(found.info, draining=True)
            self._runners[runner_id] = attrs.evolve(found, info=info)
        return found is not None

    async def remove_runner(self, runner_id: str) -> None:
        """See ``Store.remove_runner``."""
        self._check_open()
        self._runners.pop(runner_id, None)

    async def _beats(self) -> Mapping[str, datetime]:
        return {each.id: each.beat_at for each in self._runners.values()}
