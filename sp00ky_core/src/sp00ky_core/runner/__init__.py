"""The runner: claim -> attempt -> decide -> settle, one module each, and the loop that joins them."""

from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.runner import Runner

__all__ = ["Runner", "RunnerOptions"]
