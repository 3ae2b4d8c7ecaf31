"""Deliver jobs: claim, attempt, settle; reclaim what others have lost."""

from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.runner import Runner

__all__ = ["Runner", "RunnerOptions"]
