"""What the core registers as a plugin of its own."""

from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.stores.plugin import sp00ky_register_stores


def test_the_plugin_registers_the_scheme() -> None:
    assert sp00ky_register_stores() == {"memory": MemoryStore}
