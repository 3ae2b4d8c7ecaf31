"""Fixtures for those who test with jobs; pytest loads them wherever ``sp00ky-core`` is installed.

It imports nothing of the core until a fixture is used, and changes no run that uses none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sp00ky_core.outbox.outbox import Outbox
    from sp00ky_core.ports import JobTable
    from sp00ky_core.sync import SyncOutbox
    from sp00ky_core.testing.perform import FakeClock, ScriptedTransport
    from sp00ky_store_kit.memory import MemoryStore

__all__ = ["fake_clock", "job_tables", "memory_store", "outbox", "scripted_transport", "sp00ky_config"]
__all__ += ["sync_outbox"]


@pytest.fixture
def sp00ky_config(request: pytest.FixtureRequest) -> str | Path:
    """Return the sp00ky.yml of ``outbox``; override it where yours isn't found.

    The nearest one, from the folder of the test's file upward, or else from the current folder.
    """
    from sp00ky_core.config import find_config  # noqa: PLC0415  # only where the fixture is used
    from sp00ky_core.errors import ConfigError  # noqa: PLC0415

    try:
        return find_config(request.path.parent)
    except ConfigError:
        return find_config()


@pytest.fixture
def outbox(sp00ky_config: str | Path) -> Outbox:
    """Return an outbox whose jobs are in memory, ready to be used; it takes any database's connection."""
    from sp00ky_core.testing.perform import memory_outbox  # noqa: PLC0415  # only where it is used

    return memory_outbox(sp00ky_config)


@pytest.fixture
def sync_outbox(outbox: Outbox) -> Iterator[SyncOutbox]:
    """Yield the same for synchronous code: its jobs are those of ``outbox``."""
    from sp00ky_core.sync import SyncOutbox  # noqa: PLC0415  # only where the fixture is used

    with SyncOutbox(outbox) as made:
        yield made


@pytest.fixture
def job_tables() -> tuple[JobTable, ...]:
    """Return the tables of ``memory_store``: one, ``job``, of the backend ``api``. Override it for others."""
    from sp00ky_core.ports import JobTable  # noqa: PLC0415  # only where the fixture is used

    return (JobTable(backend="api", table="job"),)


@pytest.fixture
def memory_store(job_tables: tuple[JobTable, ...]) -> MemoryStore:
    """Yield a store in memory, ready to be used."""
    from sp00ky_core.ports import StoreOptions  # noqa: PLC0415  # only where the fixture is used
    from sp00ky_store_kit.memory import MemoryStore  # noqa: PLC0415

    return MemoryStore(StoreOptions(url="memory://", tables=job_tables))


@pytest.fixture
def scripted_transport() -> ScriptedTransport:
    """Return a transport that delivers everything; set its ``script`` for other outcomes."""
    from sp00ky_core.testing.perform import ScriptedTransport  # noqa: PLC0415  # only where it is used

    return ScriptedTransport()


@pytest.fixture
def fake_clock() -> FakeClock:
    """Return a clock that moves only when it is moved."""
    from sp00ky_core.testing.perform import FakeClock  # noqa: PLC0415  # only where the fixture is used

    return FakeClock()
