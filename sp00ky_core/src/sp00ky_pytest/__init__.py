"""Fixtures for those who test with jobs; pytest loads them wherever ``sp00ky-core`` is installed.

It imports nothing of the core until a fixture is used, and changes no run that uses none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sp00ky_core.ports import JobTable
    from sp00ky_core.stores.memory.store import MemoryStore
    from sp00ky_core.testing.clock import FakeClock
    from sp00ky_core.testing.scripted import ScriptedTransport

__all__ = ["job_tables", "memory_store", "scripted_transport", "fake_clock"]


@pytest.fixture
def job_tables() -> tuple[JobTable, ...]:
    """Return the tables of ``memory_store``: one, ``job``, of the backend ``api``. Override it for others."""
    from sp00ky_core.ports import JobTable  # noqa: PLC0415  # only where the fixture is used

    return (JobTable(backend="api", table="job"),)


@pytest.fixture
def memory_store(job_tables: tuple[JobTable, ...]) -> MemoryStore:
    """Yield a store in memory, ready to be used."""
    from sp00ky_core.ports import StoreOptions  # noqa: PLC0415  # only where the fixture is used
    from sp00ky_core.stores.memory.store import MemoryStore  # noqa: PLC0415

    return MemoryStore(StoreOptions(url="memory://", tables=job_tables))


@pytest.fixture
def scripted_transport() -> ScriptedTransport:
    """Return a transport that delivers everything; set its ``script`` for other outcomes."""
    from sp00ky_core.testing.scripted import ScriptedTransport  # noqa: PLC0415  # only where it is used

    return ScriptedTransport()


@pytest.fixture
def fake_clock() -> FakeClock:
    """Return a clock that moves only when it is moved."""
    from sp00ky_core.testing.clock import FakeClock  # noqa: PLC0415  # only where the fixture is used

    return FakeClock()
