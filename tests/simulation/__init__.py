"""Real runners in virtual time: each store call, answer and second is a step that a test decides about."""

from tests.simulation.fleet import FleetModel, fleet_model
from tests.simulation.labs import Lab, MemoryLab
from tests.simulation.world import World

__all__ = ["FleetModel", "fleet_model", "Lab", "MemoryLab", "World"]
