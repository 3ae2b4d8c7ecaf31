"""What the memory store has of its own."""

import pytest

from sp00ky_core.errors import UnknownBackend
from sp00ky_core.stores.memory.store import MemoryStore


async def test_an_unknown_backend_is_named(memory_store: MemoryStore) -> None:
    with pytest.raises(UnknownBackend, match="did you mean 'api'"):
        await memory_store.claim({"apis": 1}, "r")
