import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.simulation import MemoryLab, World

from sp00ky_core.ports import JobTable, StoreOptions


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    """Virtual time over the memory store; faults that are meant are logged in hundreds."""
    caplog.set_level(logging.CRITICAL)
    tables = (JobTable(backend="api", table="job"),)
    world = World(MemoryLab(StoreOptions(url="memory://", tables=tables)), tables, tmp_path)
    yield world
    world.close()
