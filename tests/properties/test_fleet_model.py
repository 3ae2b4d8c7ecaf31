"""Real runners over the memory store, every step chosen by Hypothesis; and mutants that it must notice.

``nox -s fuzz`` looks at far more runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from itertools import islice

import attrs
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sp00ky_core import machine
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.machine import Lost, Transition
from sp00ky_core.ports import SettleFate, Settlement, StoreOptions
from sp00ky_core.runner import Runner
from sp00ky_core.stores.memory import MemoryStore
from sp00ky_core.testing.simulation import FleetModel, Lab, MemoryLab, fleet_model

Mutate = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # faults are meant, and told in thousands
    yield
    logging.disable(logging.NOTSET)


TestMemoryFleet = fleet_model(MemoryLab)


class Unfenced(MemoryStore):
    """Writes whatever the row's epoch is by now."""

    def _apply_one(self, settlement: Settlement, now: datetime) -> SettleFate:
        job = self._row(settlement.job_id)
        epoch = settlement.epoch if job is None else job.lease_epoch
        return super()._apply_one(attrs.evolve(settlement, epoch=epoch), now)


class Hasty(MemoryStore):
    """Doesn't look at leases when it reclaims."""

    async def _lost(self, dead_runners: Collection[str], limit: int) -> list[Job]:
        found = (job for table in self._tables.values() for job in table.of_status(JobStatus.PROCESSING))
        return list(islice(found, limit))


class KeepsNothing(MemoryStore):
    """Gives back what the runner still holds."""

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        return await super().release(runner_id, keep=())


@pytest.mark.parametrize("store", [Unfenced, Hasty, KeepsNothing])
def test_a_store_without_a_guard_is_noticed(store: type[MemoryStore]) -> None:
    must_be_noticed(lambda options: MemoryLab(options, store))


def _starts_whatever_has_happened(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Runner, "_may_start", lambda _runner, _held: True)


def _counts_no_failed_attempt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(machine, "_made", lambda _job: 0)


def _counts_no_lost_attempt(patch: pytest.MonkeyPatch) -> None:
    def lost(job: Job, _event: Lost, _how: object) -> Transition:
        return Transition(to=JobStatus.PENDING, retries=job.retries, bumps_epoch=True)

    ends = frozenset({JobStatus.PENDING})
    patch.setattr(machine, "TABLE", {**machine.TABLE, (JobStatus.PROCESSING, Lost): (lost, ends)})


@pytest.mark.parametrize(
    "mutate",
    [_starts_whatever_has_happened, _counts_no_failed_attempt, _counts_no_lost_attempt],
)
def test_a_runner_without_a_check_is_noticed(mutate: Mutate, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    must_be_noticed(MemoryLab)


def must_be_noticed(make: Callable[[StoreOptions], Lab]) -> None:
    class Mutant(FleetModel):
        make_lab = staticmethod(make)

    search = settings(
        max_examples=1_000,
        stateful_step_count=30,
        deadline=None,
        database=None,
        derandomize=True,  # the same search each time: found once is found always
        report_multiple_bugs=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Mutant, settings=search)
