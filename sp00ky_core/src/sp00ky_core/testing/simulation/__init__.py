"""Real runners in virtual time: each store call, answer and second is a step that a test decides about."""

from sp00ky_core.testing.simulation.fleet import FleetModel, fleet_model
from sp00ky_core.testing.simulation.labs import Lab, MemoryLab
from sp00ky_core.testing.simulation.world import World

__all__ = ["FleetModel", "fleet_model", "Lab", "MemoryLab", "World"]
