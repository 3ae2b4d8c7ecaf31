"""Say before the first round what spoils it, and who can't take part."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator

from benchmarks.on_postgres.server import Postgres
from benchmarks.peers.registry import Program

__all__ = ["absent", "remarks"]

OLDEST = (3, 13)
"""The Python for which figures are published."""


def absent(programs: Iterable[Program]) -> Iterator[tuple[str, str]]:
    """Make the environment of each contender; yield the names of those that have none, and why."""
    for program in programs:
        try:
            program.command()
            program.about()
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            yield program.name, " ".join(str(error).split())[:300]


async def remarks(server: Postgres | None) -> AsyncIterator[str]:
    """Say what makes figures that don't compare with those that are published."""
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        yield f"Python {platform.python_version()} is older than {wanted}: ours takes a quarter more CPU"
    if server and (fsync := await server.setting("fsync")) != "on":
        yield f"PostgreSQL's fsync is {fsync}: no commit waits for the disk, as all of them should"
