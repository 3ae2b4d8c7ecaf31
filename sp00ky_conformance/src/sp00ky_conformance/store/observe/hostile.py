"""Write rows that break the contract: they cost no other row, whoever wrote them."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sp00ky_conformance.store.harness import API, RUNNER, StoreHarness, is_close, settlement
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import INVALID_ROW, Delivered, Undelivered
from sp00ky_core.ports import LONGEST_TEXT, JobQuery, SettleFate, Store, StoreOptions
from sp00ky_core.stores.transitions import clear, kill

__all__ = ["HOSTILE_ROWS", "HostileConformance"]

SOUND: Mapping[str, Any] = {"path": "/spookify", "payload": "{}"}

HOSTILE_ROWS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "no path": ({"payload": "{}"}, "path"),
    "empty path": ({**SOUND, "path": ""}, "path"),
    "NUL in path": ({**SOUND, "path": "/a\0b"}, "path"),
    "payload no JSON": ({**SOUND, "payload": "{oops"}, "payload"),
    "payload NaN": ({**SOUND, "payload": '{"a": NaN}'}, "payload"),
    "payload a list": ({**SOUND, "payload": "[1]"}, "payload"),
    "payload null": ({**SOUND, "payload": "null"}, "payload"),
    "payload empty": ({**SOUND, "payload": ""}, "payload"),
    "payload too deep": ({**SOUND, "payload": '{"a":' * 50_000 + "1" + "}" * 50_000}, "payload"),
    "retries below 0": ({**SOUND, "retries": -5}, "retries"),
    "retries absurd": ({**SOUND, "retries": 10**12}, "retries"),
    "max_retries below 0": ({**SOUND, "max_retries": -1}, "max_retries"),
    "max_retries absurd": ({**SOUND, "max_retries": 10**12}, "max_retries"),
    "unknown strategy": ({**SOUND, "retry_strategy": "whenever"}, "retry_strategy"),
    "NUL in dedup_key": ({**SOUND, "dedup_key": "a\0b"}, "dedup_key"),
    "NUL in ordering_key": ({**SOUND, "ordering_key": "a\0b"}, "ordering_key"),
    **{
        f"long {column}": ({**SOUND, column: "x" * (LONGEST_TEXT + 1)}, column)
        for column in ("path", "retry_strategy", "traceparent")
    },
}
"""Rows, and a word that their defect must hold."""


class HostileConformance(StoreHarness):
    """Every row ends, and every other one goes on; or the database refuses it, and nothing is written."""

    @pytest.mark.parametrize(("fields", "word"), HOSTILE_ROWS.values(), ids=HOSTILE_ROWS)
    async def test_a_defect_is_told_and_the_row_ends(
        self, store: Store, options: StoreOptions, fields: Mapping[str, Any], word: str
    ) -> None:
        bad_id = await self.written(store, options, fields)
        (good,) = await self.add(store)
        if bad_id is None:
            assert [job.id for job in await self.claim(store)] == [good.id]
            return
        claimed = {job.id: job for job in await self.claim(store)}
        assert set(claimed) == {bad_id, good.id}
        bad = claimed[bad_id]
        assert word in (bad.defect or "")
        assert claimed[good.id].defect is None
        refused = Undelivered(name=INVALID_ROW, reason=bad.defect or "")
        batch = [
            settlement(bad, refused, max_retries=3, strategy="linear"),
            settlement(claimed[good.id], Delivered()),
        ]
        assert [result.fate for result in await store.settle(batch)] == [SettleFate.SETTLED] * 2
        listed = {job.id: job.status for job in await store.find(JobQuery())}
        assert listed == {bad_id: JobStatus.FAILED, good.id: JobStatus.SUCCESS}
        kept = await store.get(bad_id)
        assert [entry.name for entry in kept.errors] == [INVALID_ROW]
        assert kept.updated_at is not None
        assert (await store.stats())[API].failed == 1

    @pytest.mark.parametrize("fields", [row for row, _ in HOSTILE_ROWS.values()], ids=HOSTILE_ROWS)
    async def test_operators_reach_the_row(
        self, store: Store, options: StoreOptions, fields: Mapping[str, Any]
    ) -> None:
        if (job_id := await self.written(store, options, fields)) is None:
            return
        (killed,) = await kill(store, [job_id])
        (cleared,) = await clear(store, [job_id])
        assert (killed.fate, cleared.fate) == ("killed", "cleared")

    @pytest.mark.parametrize("fields", [row for row, _ in HOSTILE_ROWS.values()], ids=HOSTILE_ROWS)
    async def test_a_row_in_flight_is_reclaimed(
        self, store: Store, options: StoreOptions, fields: Mapping[str, Any]
    ) -> None:
        if (job_id := await self.written(store, options, {**fields, "status": "processing"})) is None:
            return
        assert [settlement.job_id for settlement in await store.reclaim({})] == [job_id]

    @pytest.mark.parametrize("seconds", [0, -1])
    @pytest.mark.parametrize("overridable", [True, False])
    async def test_a_timeout_that_is_none_is_a_defect_where_it_counts(
        self, options: StoreOptions, seconds: int, overridable: bool
    ) -> None:
        async with self.opened(options, timeout_overridable=overridable) as store:
            if await self.written(store, options, {**SOUND, "timeout": seconds}) is None:
                return
            (job,) = await self.claim(store)
            assert ("timeout" in (job.defect or "")) is overridable
            assert (job.defect is None) is not overridable

    async def test_a_sound_row_of_another_client_is_delivered(
        self, store: Store, options: StoreOptions
    ) -> None:
        job_id = await self.written(store, options, {"path": "/a", "payload": '{"b": 1}'})
        if not store.capabilities.holds_any_row:
            return
        (job,) = await self.claim(store)
        assert (job.id, job.path, job.payload, job.defect) == (job_id, "/a", {"b": 1}, None)
        assert (job.retries, job.max_retries, job.retry_strategy) == (0, 3, "linear")

    async def test_a_row_without_run_at_is_due(self, store: Store, options: StoreOptions) -> None:
        if (job_id := await self.written(store, options, {**SOUND, "run_at": None})) is None:
            return
        assert await store.next_due([API]) == 0
        assert (await store.stats())[API].due == 1
        (job,) = await store.claim({API: 1}, RUNNER)
        assert job.id == job_id
        settled = await self.settled(store, job, Delivered())
        assert is_close(settled.updated_at, settled.created_at)
