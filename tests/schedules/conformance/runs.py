"""``runs``, ``prune_runs`` and ``forget_runs``: what schedules have made, until it is old."""

# a test's name says what it promises

from __future__ import annotations

import attrs
import pytest
from tests.schedules.conformance.harness import NAME, SECOND, ScheduleHarness, schedules_of

from sp00ky_conformance.store.harness import eventually, failure, needs
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, Spared, Store, StoreOptions
from sp00ky_schedules.model.records import RunStatus, ScheduleChange, ScheduleRun
from sp00ky_schedules.tables import SCHEDULE_RUNS

__all__ = ["RunConformance"]


def spared(*schedules: str) -> list[Spared]:
    """Say that jobs of these are kept."""
    return [Spared(SCHEDULE_RUNS, "job_id", "schedule", schedules)]


class RunConformance(ScheduleHarness):
    """Runs are listed by conditions, the latest first, and deleted by their age."""

    async def written_runs(self, store: Store) -> list[ScheduleRun]:
        """Write runs of two schedules, an hour ago and later; return them, the latest first."""
        begin, runs = await self.now(store) - 3_600 * SECOND, list[ScheduleRun]()
        statuses = [RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.RUNNING, RunStatus.SKIPPED]
        for name in ("a", "b"):
            schedule = await self.made(store, name=name)
            made = [
                ScheduleRun(schedule=name, fired_at=begin + n * SECOND, key=f"k{n % 2}", status=status)
                for n, status in enumerate(statuses)
            ]
            change = ScheduleChange(schedule=schedule, runs=made)
            assert await schedules_of(store).change_schedule(change) == []
            runs += made
        return sorted(runs, key=lambda run: run.fired_at, reverse=True)

    async def test_the_latest_come_first(self, store: Store) -> None:
        runs = await self.written_runs(store)
        listed = await self.runs(store, limit=None)
        assert [run.fired_at for run in listed] == [run.fired_at for run in runs]
        assert len(await self.runs(store, limit=3)) == 3
        assert await self.runs(store, limit=0) == []

    @pytest.mark.parametrize(
        ("query", "places"),
        [
            ({"schedule": "a"}, [3, 2, 1, 0]),
            ({"schedule": "a", "key": "k1"}, [3, 1]),
            ({"schedule": "a", "statuses": [RunStatus.RUNNING]}, [2]),
            ({"schedule": "b", "statuses": [RunStatus.SUCCESS, RunStatus.FAILED]}, [1, 0]),
            ({"schedule": "a", "limit": 1}, [3]),
            ({"schedule": "c"}, []),
        ],
    )
    async def test_all_conditions_are_met(
        self, store: Store, query: dict[str, object], places: list[int]
    ) -> None:
        runs = await self.written_runs(store)
        begin = runs[-1].fired_at
        listed = await self.runs(store, **query)
        assert [(run.fired_at - begin) / SECOND for run in listed] == places

    async def test_runs_are_found_by_their_jobs(self, store: Store) -> None:
        first, second = await self.fired(store, await self.made(store), "a", "b") or []
        await self.written_runs(store)
        assert await self.runs(store, job_ids=[str(second.job_id), "job:none"]) == [second]
        assert len(await self.runs(store, job_ids=(str(first.job_id), str(second.job_id)), limit=None)) == 2
        assert await self.runs(store, job_ids=[str(first.job_id)], statuses=[RunStatus.FAILED]) == []
        assert await self.runs(store, job_ids=()) == []

    async def test_old_runs_of_a_schedule_are_deleted(self, store: Store) -> None:
        runs = await self.written_runs(store)
        ended = [RunStatus.SUCCESS, RunStatus.FAILED]
        until = runs[0].fired_at
        prune = schedules_of(store).prune_runs
        assert await prune("a", statuses=ended, until=runs[-1].fired_at) == []
        assert await prune("a", statuses=ended, until=until, limit=1) == [None]
        assert await prune("a", statuses=ended, until=until) == [None]
        assert [run.status for run in await self.runs(store, schedule="a")] == [
            RunStatus.SKIPPED,
            RunStatus.RUNNING,
        ]
        assert len(await self.runs(store, schedule="b")) == 4

    async def test_a_run_that_has_not_ended_is_never_deleted(self, store: Store) -> None:
        await self.written_runs(store)
        until = await self.now(store)
        deleted = await schedules_of(store).prune_runs("a", statuses=list(RunStatus), until=until)
        assert len(deleted) == 3
        (left,) = await self.runs(store, schedule="a")
        assert left.status is RunStatus.RUNNING

    async def test_jobs_of_schedules_that_look_after_them_are_spared(self, options: StoreOptions) -> None:
        """Neither their age nor how many there are counts; without their runs they are as others are."""
        async with self.opened(options, keep_success=0.0, keep_failed=0.0, max_successes=0) as store:
            success, failed = await self.ended_runs(store, "a"), await self.ended_runs(store, "a", "x")
            await self.ended_runs(store, "b")
            await self.ended(store)

            async def the_others_are_gone() -> bool:
                await store.prune(spared=spared("a", "none"))
                return {job.id for job in await store.find(JobQuery())} == {success.job_id, failed.job_id}

            await eventually(the_others_are_gone)
            assert await store.prune(spared=spared("a"), limit=1) == 0
            statuses, until = [RunStatus.SUCCESS], await self.now(store)
            assert await schedules_of(store).prune_runs("a", statuses=statuses, until=until) == [
                success.job_id
            ]
            assert await store.prune(spared=spared("a")) == 1
            assert [job.id for job in await store.find(JobQuery())] == [failed.job_id]

    async def ended_runs(self, store: Store, name: str, key: str = "") -> ScheduleRun:
        """Fire a schedule, and end its job: failed, if there is a key; return its run."""
        known = (await schedules_of(store).schedules()).schedules.get(name)
        (run,) = await self.fired(store, known or await self.made(store, name=name), key) or []
        (job,) = await self.claim(store)
        assert job.id == run.job_id
        await self.settled(store, job, failure(retryable=False) if key else Delivered())
        status = RunStatus.FAILED if key else RunStatus.SUCCESS
        change = ScheduleChange(
            schedule=await self.stored(store, name), runs=[attrs.evolve(run, status=status)]
        )
        assert await schedules_of(store).change_schedule(change) is not None
        return run

    @needs("delete_row")
    async def test_runs_outlive_their_jobs(self, store: Store) -> None:
        (run,) = await self.fired(store, await self.made(store)) or []
        await self.delete_row(store, str(run.job_id))
        assert await self.runs(store) == [run]

    async def test_runs_are_forgotten_by_their_jobs(self, store: Store) -> None:
        schedule, ids = await self.made(store), ["job:1", "job:2", "job:3"]
        ended = ScheduleRun(schedule=NAME, fired_at=await self.now(store), status=RunStatus.SUCCESS)
        runs = [attrs.evolve(ended, key=job_id, job_id=job_id) for job_id in ids]
        schedules = schedules_of(store)
        await schedules.change_schedule(ScheduleChange(schedule=schedule, runs=runs))
        assert await schedules.forget_runs(ids[:2]) == 2
        assert [run.job_id for run in await self.runs(store)] == ["job:3"]
        assert await schedules.forget_runs(ids[:2]) == 0
