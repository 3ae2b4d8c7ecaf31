"""What is wrong in an adapter's own code is said with its distribution, the call, and what is expected."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.core.stores.transactional.conftest import TABLES

from sp00ky_core.errors import AdapterMistake
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery, StoreOptions
from sp00ky_core.stores.transactional import Session
from sp00ky_store_sqlite import SqliteStore
from sp00ky_store_sqlite.session import SqliteSession

JOB = NewJob(path="/a", backend="api", max_retries=3, retry_strategy="linear")


class MineSession(SqliteSession):
    """A session of an adapter, of which a test breaks a call."""


class MineStore(SqliteStore):
    """A store of an adapter, of which a test breaks a call."""

    def _connect(self, *settings: str) -> SqliteSession:
        return MineSession(super()._connect(*settings).connection, self.translate)


async def nothing(*_: Any, **__: Any) -> None:
    """Return nothing."""


async def nothing_of(*_: Any) -> list[Any]:
    return []


class Trips:
    def run(self, *_: Any) -> None:
        raise KeyError("at")

    async def select(self, *_: Any, **__: Any) -> None:
        raise KeyError("at")


class Fails:
    async def execute(self, *_: Any) -> None:
        raise sqlite3.ProgrammingError("no such thing")

    def translate(self, error: Exception) -> Exception:
        return error


ROWS = "expected: Select rows that meet all conditions; `UNREAD` stands for a text that is too long"
MISTAKES: dict[str, tuple[type, str, Any, str]] = {
    "returns nothing": (MineSession, "select", nothing, rf"returned None, not list\[Row\]; {ROWS}"),
    "isn't async": (MineSession, "select", lambda *_, **__: [], rf"isn't `async`; {ROWS}"),
    "raises": (
        MineSession,
        "select",
        Trips.select,
        r"raised KeyError: 'at' \(test_mistakes.py:\d+\), which tr",
    ),
    "isn't translated": (MineSession, "execute", Fails.execute, r"raised ProgrammingError: no such thing \("),
    "doesn't run": (
        MineStore,
        "run",
        lambda *_: None,
        "isn't `async`; expected: Begin a transaction, do the",
    ),
    "doesn't begin": (MineStore, "run", Trips.run, "isn't `async`; expected: Begin a transaction"),
    "has no columns": (
        MineSession,
        "columns_of",
        nothing_of,
        r"returned \[\], not frozenset\[str\] \| None; ",
    ),
    "lacks a call": (MineSession, "__abstractmethods__", frozenset({"count"}), "raised TypeError: .* count"),
}


@pytest.mark.parametrize("translate", [Fails.translate, lambda *_: None], ids=["passes on", "says nothing"])
@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_names_the_distribution_the_call_and_what_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, translate: Any
) -> None:
    store = MineStore(StoreOptions(url="sqlite:///jobs.db", tables=TABLES, directory=tmp_path))
    await store.open()
    await store.migrate()
    await store.add([JOB])
    await store.close()
    owner, call, broken, problem = MISTAKES[name]
    monkeypatch.setattr(owner, call, broken)
    monkeypatch.setattr(MineStore, "translate", translate)
    broken_store = MineStore(store.options)
    with pytest.raises(AdapterMistake, match=problem) as caught:
        await _opened_and_claimed(broken_store)
    assert str(caught.value).startswith(f"{store.location}: a mistake of tests: Mine")
    assert str(caught.value).endswith("; tell the authors of tests")
    await broken_store.close()
    monkeypatch.undo()
    await store.open()
    assert [job.status for job in await store.find(JobQuery())] == ["pending"]
    await store.close()


async def _opened_and_claimed(store: MineStore) -> None:
    await store.open()
    await store.migration()
    await store.claim({"api": 1}, "r")


async def test_what_work_raises_is_its_own(tmp_path: Path) -> None:
    store = MineStore(StoreOptions(url="sqlite:///jobs.db", tables=TABLES, directory=tmp_path))
    await store.open()

    async def work(session: Session) -> None:
        await session.now()
        raise LookupError("not mine")

    with pytest.raises(LookupError, match="not mine"):
        await store._executor.write(work)
    await store.close()
