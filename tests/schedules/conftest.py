from tests.core.cli.conftest import misbehaving, project, shelf, sp00ky
from tests.schedules.bench import timer, witness

__all__ = ["misbehaving", "project", "shelf", "sp00ky", "timer", "witness"]
