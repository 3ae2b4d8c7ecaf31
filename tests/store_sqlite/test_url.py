"""The store's URL, and what is said where the file can't be used."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.errors import ConfigError, StoreError, StoreUnavailable
from sp00ky_core.ports import StoreOptions
from sp00ky_store_sqlite import SqliteStore
from sp00ky_store_sqlite.url import path_of


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///app.db", "/srv/app.db"),
        ("sqlite:///./data/app.db", "/srv/data/app.db"),
        ("sqlite:///../app.db", "/app.db"),
        ("sqlite:////var/lib/app.db", "/var/lib/app.db"),
        ("sqlite:///with%20blank%3F.db", "/srv/with blank?.db"),
    ],
)
def test_paths(url: str, path: str) -> None:
    assert path_of(StoreOptions(url=url, tables=(), directory=Path("/srv"))) == Path(path)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite://host/app.db", "sqlite:///:memory:", "sqlite:///a.db?mode=ro"]
)
def test_urls_that_name_no_file(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///PATH"):
        SqliteStore(StoreOptions(url=url, tables=()))


async def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    store = SqliteStore(StoreOptions(url="sqlite:///nowhere/app.db", tables=(), directory=tmp_path))
    with pytest.raises(StoreUnavailable, match="unable to open"):
        await store.open()
    await store.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Each connection that is made."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def kept(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", kept)
    return opened


async def test_a_file_that_is_no_database(tmp_path: Path, opened: list[sqlite3.Connection]) -> None:
    (tmp_path / "app.db").write_bytes(b"not a database, whatever its name says" * 100)
    store = SqliteStore(StoreOptions(url="sqlite:///app.db", tables=(), directory=tmp_path))
    with pytest.raises(StoreError, match="not a database"):
        await store.open()
    await store.close()
    assert opened
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
