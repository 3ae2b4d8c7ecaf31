"""The store is found by the scheme of its URL."""

from __future__ import annotations

from sp00ky_core.plugins.registry import load_plugins
from sp00ky_store_sqlite import SqliteStore


def test_it_is_found_by_its_scheme() -> None:
    assert load_plugins().store("sqlite") is SqliteStore
