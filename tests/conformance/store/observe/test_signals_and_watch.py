"""What the suite does where a store's signals never end."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sp00ky_conformance.store.observe import signals_and_watch
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_kit.memory import MemoryStore


class Endless(MemoryStore):
    """Waits in its close for what never comes."""

    async def close(self) -> None:
        await asyncio.Event().wait()


class Suite(signals_and_watch.SignalConformance):
    def make_store(self, options: StoreOptions) -> Any:
        return Endless(options)


async def test_a_close_that_never_ends_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(signals_and_watch, "PATIENCE", 0.2)
    tables = (JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail"))
    options = StoreOptions(url="memory://", tables=tables, directory=tmp_path)
    with pytest.raises(TimeoutError):
        await Suite().test_a_signal_ends_when_the_store_closes(options)
