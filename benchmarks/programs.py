"""Start runners in processes of their own: ``sp00ky run``."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["started", "sp00ky_run"]


def sp00ky_run(config: Path, *, log_level: str = "warning") -> list[str]:
    """The installed command."""
    program = str(Path(sys.executable).with_name("sp00ky"))
    return [program, "run", "--config", str(config), "--log-level", log_level]


@asynccontextmanager
async def started(command: Sequence[str], *, errors: Path | None = None) -> AsyncIterator[int]:
    """The id of a process that runs until the end of the block; ``errors``: a file for what it logs."""
    with (errors or Path(os.devnull)).open("w") as log:
        child = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.DEVNULL, stderr=log if errors else None
        )
    try:
        yield child.pid
    finally:
        if child.returncode is None:
            child.terminate()
        try:
            await asyncio.wait_for(child.wait(), 10)
        except TimeoutError:
            child.kill()
            await child.wait()
