"""A service waits for its database; a batch doesn't, and what would stop jobs is refused."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.cli.run.startup import open_for_runner
from sp00ky_core.errors import SchemaError, StoreUnavailable
from sp00ky_core.ports import Finding, JobTable, StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing.outboxes import outbox_over

TABLES = (JobTable(backend="api", table="job"),)
AWAY = StoreUnavailable(store="memory://", problem="it is away")


class Away(MemoryStore):
    """Can't be reached for some calls; then it has findings."""

    def __init__(self, *, opens: int = 0, beats: int = 0, findings: Any = ()) -> None:
        super().__init__(StoreOptions(url="memory://", tables=TABLES))
        self.left = {"open": opens, "beat": beats}
        self.findings = findings

    def _ask(self, call: str) -> None:
        self.left[call] -= 1
        if self.left[call] >= 0:
            raise AWAY

    async def open(self) -> None:
        self._ask("open")
        await super().open()

    async def beat(self, runner_id: str, info: Any = None) -> Any:
        self._ask("beat")
        return await super().beat(runner_id)

    async def check(self) -> list[Finding]:
        if isinstance(self.findings, Exception):
            raise self.findings
        return list(self.findings)


async def opened(store: Away, folder: Path, *, patient: bool) -> None:
    async with AsyncExitStack() as stack:
        await open_for_runner(stack, outbox_over(store, TABLES, folder), "r", patient=patient)
        assert [each.id for each in await store.runners()] == ["r"]


async def test_a_service_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp00ky_core.cli.run.startup.random", lambda: -1.0)  # no wait at all
    await opened(Away(opens=2, beats=1), tmp_path, patient=True)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    events = [getattr(record, "event", "") for record in caplog.records]
    assert events == ["store_lost", "store_lost", "store_back", "store_lost", "store_back"]


@pytest.mark.parametrize("away", [{"opens": 1}, {"beats": 1}])
async def test_a_batch_does_not(tmp_path: Path, away: dict[str, int]) -> None:
    with pytest.raises(StoreUnavailable):
        await opened(Away(**away), tmp_path, patient=False)


def finding(subject: str, *, stops_jobs: bool) -> Finding:
    return Finding(stops_jobs=stops_jobs, subject=subject, problem="it is bad", consequence="", fix="mend it")


async def test_what_stops_jobs_is_refused(tmp_path: Path) -> None:
    slow, bad, worse = (finding(each, stops_jobs=each != "slow") for each in ("slow", "bad", "worse"))
    await opened(Away(findings=[slow]), tmp_path, patient=True)
    with pytest.raises(SchemaError, match=r"bad: it is bad; mend it \(1 more, see: sp00ky check\)"):
        await opened(Away(findings=[slow, bad, worse]), tmp_path, patient=True)
