"""``change_schedule`` with spawns: a fire's jobs and runs are there together, or not at all."""

# a test's name says what it promises

from __future__ import annotations

from tests.schedules.conformance.harness import SECOND, ScheduleHarness, schedules_of

from sp00ky_conformance.store.harness import API, eventually, is_close, needs
from sp00ky_conformance.store.jobs.refusals import REFUSED
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobQuery, Store, StoreOptions
from sp00ky_schedules.model.records import RunStatus, ScheduleChange, ScheduleRun, Trigger

__all__ = ["FireConformance"]


class FireConformance(ScheduleHarness):
    """A fire is one transaction."""

    async def test_a_fire_makes_jobs_that_are_due(self, store: Store) -> None:
        schedule = await self.made(store)
        job = {"payload": {"row": {"id": 7}}, "timeout": 5, "max_retries": 2, "retry_strategy": "exponential"}
        (run,) = await self.fired(store, schedule, "7", job=job) or []
        assert (run.key, run.status, run.trigger) == ("7", RunStatus.RUNNING, Trigger.CRON)
        assert run.job_id is not None
        made = await store.get(run.job_id)
        assert (made.path, made.payload, made.timeout) == ("/spookify", {"row": {"id": 7}}, 5)
        assert (made.max_retries, made.retry_strategy) == (2, "exponential")
        assert (made.status, made.assigned_to, made.dedup_key) == (JobStatus.PENDING, None, None)
        assert is_close(made.created_at, run.fired_at)
        (claimed,) = await self.claim(store)
        assert claimed.id == run.job_id

    async def test_the_id_of_a_job_follows_from_its_schedule_fire_and_key(self, store: Store) -> None:
        schedule = await self.made(store)
        one, other = await self.fired(store, schedule, "a", "b") or []
        for run in (one, other):
            spawn = self.spawn(schedule, run.fired_at, run.key)
            assert spawn.job_key.hex in str(run.job_id).replace("-", "")
        assert one.job_id != other.job_id

    async def test_runs_are_read_as_they_were_written(self, store: Store) -> None:
        schedule = await self.made(store)
        runs = await self.fired(store, schedule, "a", "b", 'it\'s "c"; -- \u00e4')
        assert runs is not None
        listed = await self.runs(store, schedule=schedule.name)
        assert sorted(listed, key=lambda run: run.key) == sorted(runs, key=lambda run: run.key)

    async def test_a_row_moves_with_its_fire(self, store: Store) -> None:
        schedule = await self.made(store)
        (run,) = await self.fired(store, schedule) or []
        after = await self.stored(store)
        assert (after.last_fired_at, after.next_fire_at) == (run.fired_at, run.fired_at + 60 * SECOND)

    async def test_runs_are_written_and_replaced(self, store: Store) -> None:
        schedule = await self.made(store)
        (run,) = await self.fired(store, schedule) or []
        now = await self.now(store)
        error = {"code": "concurrency_skip", "blocked_by": run.job_id, "words": "it's \u00e4"}
        ended = ScheduleRun(
            schedule=run.schedule,
            fired_at=run.fired_at,
            job_id=run.job_id,
            status=RunStatus.SUCCESS,
            finished_at=now,
        )
        skipped = ScheduleRun(
            schedule=run.schedule,
            fired_at=now,
            trigger=Trigger.MANUAL,
            status=RunStatus.SKIPPED,
            error=error,
            finished_at=now,
        )
        change = ScheduleChange(schedule=await self.stored(store), runs=[ended, skipped])
        assert await schedules_of(store).change_schedule(change) == []
        assert await self.runs(store) == [skipped, ended]

    @needs("refuse")
    async def test_a_job_that_the_database_refuses_costs_no_other(
        self, store: Store, options: StoreOptions
    ) -> None:
        await self.refuse(store, options.tables[0].table, "insert")
        schedule, now = await self.made(store), await self.now(store)
        spawns = [
            self.spawn(schedule, now, key, path=path)
            for key, path in (("a", "/spookify"), ("b", REFUSED), ("c", "/spookify"))
        ]
        change = ScheduleChange(schedule=schedule, spawns=spawns)
        runs = await schedules_of(store).change_schedule(change)
        assert runs is not None
        assert [run.status for run in runs] == [RunStatus.RUNNING, RunStatus.FAILED, RunStatus.RUNNING]
        refused = runs[1]
        assert (refused.job_id, refused.finished_at) == (None, now)
        assert (refused.error or {})["code"] == "row_refused"
        assert (refused.error or {})["reason"]
        assert sorted(await self.runs(store), key=lambda run: run.key) == list(runs)
        assert {job.id for job in await store.find(JobQuery())} == {runs[0].job_id, runs[2].job_id}

    async def test_ten_thousand_jobs_are_one_fire(self, store: Store) -> None:
        schedule = await self.made(store)
        runs = await self.fired(store, schedule, *(f"k{n:05}" for n in range(10_000)))
        assert runs is not None
        assert len(runs) == 10_000
        assert (await store.stats())[API].pending == 10_000
        running = await self.runs(store, statuses=[RunStatus.RUNNING], limit=None)
        assert len(running) == 10_000

    async def test_a_fire_signals_work(self, store: Store) -> None:
        schedule = await self.made(store)
        signals = store.work_signal()
        await anext(signals)
        assert await self.fired(store, schedule) is not None

        async def heard() -> bool:
            await anext(signals)
            return bool(await self.claim(store))

        assert await eventually(heard)
        await signals.aclose()
