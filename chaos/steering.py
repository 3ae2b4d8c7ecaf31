"""A session with ordering keys for one backend, limits for the other, and an operator who steers both."""

from chaos.history import Limit
from chaos.session import Plan

__all__ = ["steering_plan", "LIMIT"]

LIMIT = Limit(path="/calm", rate=50.0, burst=10.0, at_once=7.0)

FAILS = {"ok": 55, "slow": 20, "500": 20, "hang": 2, "reset": 3}
"""A backend that fails a fifth of the time."""

CALM = {"ok": 9, "slow": 1}
"""Slow enough for the limit on requests under way to be reached, and quick enough for the rate to be."""

KINDS = ("kill -9", "freeze")


def steering_plan(
    *, seed: int, seconds: float, runners: int = 4, keys: int = 60, waiting: int = 1_000
) -> Plan:
    """Plan a session of ordering keys and limits; ``waiting`` jobs of each backend are there at the start."""
    return Plan(
        seed=seed,
        seconds=seconds,
        runners=runners,
        kinds=KINDS,
        keys=keys,
        limits=(LIMIT,),
        filling=waiting,
        weights=FAILS,
        calm_weights=CALM,
        steered=True,
    )
