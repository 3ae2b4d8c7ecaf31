"""A chaos session: runners, a backend, an application, an operator, and the monkey among them."""

from collections.abc import Collection, Mapping
from pathlib import Path
from random import Random

import attrs

from chaos.backend import ChaoticBackend
from chaos.database import Database
from chaos.faults import BEYOND_DEAD, FAULTS, GRACE, Scene
from chaos.history import History, Limit
from chaos.monkey import Monkey
from chaos.project import BACKENDS
from chaos.stage import beside, staged, until_ended

__all__ = ["Plan", "Ending", "run_session"]


@attrs.frozen(kw_only=True)
class Plan:
    """What a session is like."""

    seed: int
    seconds: float
    runners: int = 4
    rate: float = 15.0  # calls of the enqueuer a second
    long_freeze: float = BEYOND_DEAD  # seconds of some freezes and partitions
    kinds: Collection[str] = tuple(FAULTS)  # of faults
    keys: int = 0  # ordering keys of the wild jobs
    limits: tuple[Limit, ...] = ()
    filling: int = 0  # jobs of each backend that wait at the start
    weights: Mapping[str, int] | None = None  # of what the backend does to wild jobs
    calm_weights: Mapping[str, int] | None = None
    steered: bool = False  # an operator pauses and resumes, and reschedules


@attrs.frozen(kw_only=True)
class Ending:
    """What a session has shown."""

    history: History
    exits: list[tuple[int, float]]  # status and seconds of each runner that was told to end
    outcries: list[str]  # lines of the runners' logs that tell of a bug
    left_out: Mapping[str, str] = attrs.field(factory=dict)  # faults that can't be made here, and why

    def complaints(self) -> list[str]:
        """What is wrong beside the histories."""
        statuses = [
            f"a runner that was told to end ended with {status}" for status, _ in self.exits if status
        ]
        return statuses + self.outcries


async def run_session(plan: Plan, database: Database, folder: Path) -> Ending:
    """Run one; the histories are in the folder afterwards."""
    backend = ChaoticBackend(plan.seed, weights=plan.weights, calm_weights=plan.calm_weights)
    setting = staged(
        database,
        folder,
        backend,
        runners=plan.runners,
        grace=GRACE,
        seed=plan.seed,
        rate=plan.rate,
        keys=plan.keys,
        limits=plan.limits,
    )
    async with setting as stage:
        scene = Scene(
            database=database,
            fleet=stage.fleet,
            enqueuer=stage.enqueuer,
            application=stage.application,
            random=Random(f"monkey {plan.seed}"),  # noqa: S311  # repeatable, and no secret
            long_freeze=plan.long_freeze,
        )
        monkey = Monkey(scene, plan.kinds)
        for name in BACKENDS:
            await stage.enqueuer.fill(name, plan.filling)
        operators = [stage.retrier.run(), *([stage.operator.run()] if plan.steered else [])]
        async with beside(stage.enqueuer.run(), *operators):
            await monkey.run(plan.seconds)
        await stage.operator.resume()
        await stage.enqueuer.finish()
        backend.calm = True
        await until_ended(database)
        exits = await stage.fleet.stop_all()
        return Ending(
            history=await stage.history(scene.disturbances),
            exits=[*scene.exits, *exits],
            outcries=stage.fleet.outcries(),
            left_out=monkey.left_out,
        )
