from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.core.two_backends import opened

from sp00ky_core import Outbox


@pytest_asyncio.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    """An outbox of two backends."""
    async with opened(tmp_path) as outbox:
        yield outbox
