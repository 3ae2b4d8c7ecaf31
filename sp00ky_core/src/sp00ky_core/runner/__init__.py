"""The runner: claim -> attempt -> decide -> settle, one module each, and the loop that joins them."""

from sp00ky_core.runner.loop import Runner
from sp00ky_core.runner.options import RunnerOptions

__all__ = ["Runner", "RunnerOptions"]
