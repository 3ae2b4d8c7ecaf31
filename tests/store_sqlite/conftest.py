"""Of a mutated store only the tests run that must notice it, and each passes by failing."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_sqlite import SqliteStore

NOTICED = (AssertionError, ValueError, TimeoutError, Sp00kyError, sqlite3.Error, pytest.fail.Exception)
"""What a promise that isn't kept leads to; anything else is a fault of the mutation itself."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    dropped = [item for item in items if _mutation(item) and item.name not in item.cls.noticed_by]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _mutation(item) and call.when == "call":
        if call.excinfo is None:
            report.outcome = "failed"
            report.longrepr = f"the suite doesn't notice the mutation: {_mutation(item)}"
        elif call.excinfo.errisinstance(NOTICED) and _says_the_promise(report):
            report.outcome, report.longrepr = "passed", None
    return report


def _mutation(item: pytest.Item) -> str:
    """The fault of the store that a test runs on; empty: none."""
    return str(getattr(getattr(item, "cls", None), "mutation", ""))


def _says_the_promise(report: pytest.TestReport) -> bool:
    return any("conformance" in text and ":" in text for _, text in report.sections)


@pytest.fixture
def options(tmp_path: Path) -> StoreOptions:
    return StoreOptions(
        url="sqlite:///app.db", tables=(JobTable(backend="api", table="job"),), directory=tmp_path
    )


@pytest.fixture
def connection(tmp_path: Path) -> Any:
    with closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection:
        yield connection


async def migrated(options: StoreOptions) -> SqliteStore:
    store = SqliteStore(options)
    await store.open()
    await store.migrate()
    return store
