"""The peers: each is installed into an environment of its own, and measured by a script that runs there."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import Sample

__all__ = ["Peers", "PGQUEUER"]

ROOT = Path(__file__).parents[1]
PGQUEUER = "1.6.0"
SCRIPT = Path(__file__).with_name("pgqueuer_peer.py")


class Peers:
    """pgqueuer, in ``.nox/peers``; it drives the same asyncpg, aiohttp and uvloop as we do."""

    def __init__(self) -> None:
        self._python = ROOT / ".nox" / "peers" / f"pgqueuer-{PGQUEUER}" / "bin" / "python"

    def install(self) -> None:
        """Install what isn't there yet."""
        if not self._python.exists():
            venv.create(self._python.parents[1], with_pip=True)
        same = [f"{name}=={version(name)}" for name in ("asyncpg", "aiohttp", "uvloop")]
        wanted = [f"pgqueuer[asyncpg]=={PGQUEUER}", *same]
        pip = [str(self._python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True, stdout=sys.stderr)

    def command(self, task: str, *arguments: object) -> list[str]:
        """The command line of a task of ``pgqueuer_peer.py``."""
        return [str(self._python), str(SCRIPT), task, *map(str, arguments)]

    async def sample(self, task: str, *arguments: object) -> Sample:
        """Run a task that measures; what it measured."""
        made: Callable[..., Sample] = Sample
        return made(**await self._answer(task, *arguments))

    async def install_tables(self, url: str) -> None:
        """Create the peer's tables in a database."""
        await self._answer("install", url)

    async def _answer(self, task: str, *arguments: object) -> Any:
        child = await asyncio.create_subprocess_exec(*self.command(task, *arguments), stdout=subprocess.PIPE)
        out, _ = await child.communicate()
        if child.returncode != 0:
            raise RuntimeError(f"pgqueuer's {task} ended with {child.returncode}")
        return json.loads(out)
