"""Conditions name operations in any spelling, and one backend of a shared table alone."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from tests.core.outbox.test_outbox import BACKEND, SPEC

from sp00ky_core import Outbox
from sp00ky_core.backend.loading import load_backends
from sp00ky_core.config import BackendConfig, Config
from sp00ky_core.errors import OtherEventLoop
from sp00ky_core.job.retry import STRATEGIES
from sp00ky_core.ports import ErrorGroup, JobQuery, Store
from sp00ky_core.stores.named_jobs import NamedJobs
from sp00ky_store_kit.memory import MemoryStore

DOCUMENTS = {"api": ["/a", "/b"], "agent": ["/chat"], "other": ["/a"]}
ROWS = [("api", "/a"), ("api", "/b"), ("api", "/chat"), ("api", "/chat"), ("api", "/gone"), ("other", "/a")]
"""The name that the store knows the table by, and the path."""


@attrs.define
class Rows:
    """A store that can count, clear and group errors."""

    rows: list[tuple[str, str]] = attrs.field(factory=lambda: list(ROWS))

    async def errors(self, *, since: Any = None, limit: int = 100, **_: Any) -> list[ErrorGroup]:
        now = datetime.now(UTC)
        numbers: dict[str, Any] = {
            "name": "timeout",
            "code": 0,
            "count": 1,
            "first": now,
            "last": now,
            "example": "job:1",
        }
        rows = dict.fromkeys(self.rows)
        return [ErrorGroup(backend=backend, path=path, **numbers) for backend, path in rows][:limit]

    def _matching(self, query: JobQuery) -> list[tuple[str, str]]:
        paths = query.paths
        return [
            row for row in self.rows if query.backend in {None, row[0]} and (paths is None or row[1] in paths)
        ]

    async def count(self, conditions: JobQuery) -> int:
        return len(self._matching(conditions))

    async def clear_matching(self, conditions: JobQuery, *, limit: int) -> int:
        cleared = self._matching(conditions)[:limit]
        for row in cleared:
            self.rows.remove(row)
        return len(cleared)


def shared(folder: Path, rows: Rows) -> NamedJobs:
    for name, paths in DOCUMENTS.items():
        document = {"openapi": "3.1.0", "info": {"title": name, "version": "1"}}
        answers = {"200": {"description": "ok"}}
        routes = {
            path: {"post": {"operationId": f"make{path[1:].title()}", "responses": answers}} for path in paths
        }
        (folder / f"{name}.json").write_text(json.dumps({**document, "paths": routes}))
    tables = {"api": "job", "agent": "job", "other": "other"}
    configs = {
        name: BackendConfig(name=name, spec=folder / f"{name}.json", base_url="http://x", table=table)
        for name, table in tables.items()
    }
    config = Config(file=folder / "sp00ky.yml", backends=configs)
    return NamedJobs(cast("Store", rows), load_backends(config, frozenset(STRATEGIES)))


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        (JobQuery(), []),
        (JobQuery(backend="agent"), [0, 1, 4, 5]),
        (JobQuery(backend="api"), [2, 3, 4, 5]),
        (JobQuery(backend="other"), [0, 1, 2, 3, 4]),
        (JobQuery(backend="agent", path="/a"), [0, 1, 2, 3, 4, 5]),
        (JobQuery(backend="api", path="/gone"), [0, 1, 2, 3, 5]),
        (JobQuery(path="/chat"), [0, 1, 4, 5]),
    ],
    ids=str,
)
async def test_only_the_backends_jobs_are_meant(
    tmp_path: Path, conditions: JobQuery, left: Sequence[int]
) -> None:
    rows = Rows()
    store = shared(tmp_path, rows)
    assert await store.count(conditions) == len(ROWS) - len(left)
    assert await store.clear_matching(conditions) == len(ROWS) - len(left)
    assert rows.rows == [ROWS[index] for index in left]


async def test_a_filter_takes_every_spelling_and_a_group_shows_one(tmp_path: Path) -> None:
    rows = Rows(rows=[("other", "/a"), ("other", "POST /a"), ("other", "makeA"), ("other", "/b")])
    store = shared(tmp_path, rows)
    for spelling in ("/a", "POST /a", "makeA"):
        assert await store.count(JobQuery(path=spelling)) == 3
    groups = [(error.path, error.count) for error in await store.errors(limit=9)]
    assert groups == [("/a", 3), ("/b", 1)]


async def test_errors_are_grouped_by_the_backend_of_their_path(tmp_path: Path) -> None:
    groups = await shared(tmp_path, Rows(rows=[ROWS[0], ROWS[2]])).errors(limit=5)
    assert [(group.backend, group.path) for group in groups] == [("agent", "/chat"), ("api", "/a")]


CALLS: dict[str, Callable[[Outbox], Awaitable[Any]]] = {
    "run": lambda outbox: outbox.run("api", "/a"),
    "get": lambda outbox: outbox.get("job:1"),
    "stats": lambda outbox: outbox.stats(),
    "pause": lambda outbox: outbox.pause("api"),
    "pause by the dashboard": lambda outbox: outbox.acting_through("dashboard").pause("api"),
    "close": lambda outbox: outbox.__aexit__(None, None, None),
}


async def elsewhere(outbox: Outbox, call: str) -> Any:
    """Make a call in another thread's event loop."""

    async def calling() -> Any:
        return await CALLS[call](outbox)

    return await asyncio.to_thread(lambda: asyncio.run(calling()))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "openapi.json").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {BACKEND}}}\nstore: memory://\n")
    return tmp_path / "sp00ky.yml"


@pytest.mark.parametrize("call", CALLS)
async def test_an_outbox_of_another_event_loop_says_so(
    config: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = attrs.evolve(MemoryStore.capabilities, one_loop=True)  # as every store with connections is
    monkeypatch.setattr(MemoryStore, "capabilities", bound)
    outbox = Outbox.open(config)
    acting = outbox.acting_through("cli")  # also what was made before it was opened
    async with outbox:
        for used in (outbox, acting):
            with pytest.raises(OtherEventLoop, match=r"in another event loop.*SyncOutbox"):
                await elsewhere(used, call)
        assert (await outbox.run("api", "/a")).status == "pending"
