"""Read a number of worker processes, or ``auto``."""

from __future__ import annotations

import os
from typing import Any

import click

__all__ = ["WORKERS"]

MOST = 1_000


class _Workers(click.IntRange):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Take ``auto`` for one worker for each CPU that this process may use."""
        count: int = super().convert(usable_cpus() if value == "auto" else value, param, ctx)
        return count


def usable_cpus() -> int:
    """Count the CPUs that this process may use; all, where the system doesn't tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


WORKERS = _Workers(1, MOST)
