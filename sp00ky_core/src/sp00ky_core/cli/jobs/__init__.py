"""``sp00ky jobs``: read jobs, and operate them."""

from __future__ import annotations

import click

from sp00ky_core.cli.jobs.list import export, get, list_jobs, watch
from sp00ky_core.cli.jobs.operate import clear, copy, kill, reschedule, retry
from sp00ky_core.cli.jobs.stats import errors, stats
from sp00ky_core.cli.options import with_settings

__all__ = ["jobs"]


@click.group()
@with_settings
def jobs() -> None:
    """Look at jobs, and look after them."""


for _command in (list_jobs, get, watch, stats, errors, export, copy, kill, retry, clear, reschedule):
    jobs.add_command(_command)
