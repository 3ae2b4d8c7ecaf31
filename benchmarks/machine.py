"""What the numbers depend on."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers import PGQUEUER
from benchmarks.postgres import Postgres

__all__ = ["machine"]

PACKAGES = ("sp00ky-core", "sp00ky-store-postgres", "sp00ky-transport-http", "aiohttp", "asyncpg", "uvloop")


async def machine(postgres: Postgres) -> dict[str, str]:
    """The machine, the server, the versions."""
    return {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores, shared by client, backend and database",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": await postgres.version(),
        "backend": "nginx" if shutil.which("nginx") else "a protocol on uvloop",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES) + f", pgqueuer {PGQUEUER}",
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
