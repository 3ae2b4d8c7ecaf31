"""What the numbers depend on."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers import PGQUEUER
from benchmarks.postgres import Postgres
from benchmarks.surreal.database import surreal as surreal_server

__all__ = ["machine"]

PACKAGES = ("sp00ky-core", "sp00ky-transport-http", "aiohttp", "uvloop")
OF_POSTGRES = ("sp00ky-store-postgres", "asyncpg")
OF_SURREAL = ("sp00ky-store-surreal", "surrealdb", "cbor2")


async def machine(postgres: Postgres | None, *, surreal: bool) -> dict[str, str]:
    """The machine, the servers that are measured, the versions."""
    about = {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores, shared by client, backend and database",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }
    names: tuple[str, ...] = PACKAGES
    if postgres:
        about["PostgreSQL"] = await postgres.version()
        names += OF_POSTGRES
    if surreal:
        with surreal_server() as server:
            about["SurrealDB"] = await server.version()
        names += OF_SURREAL
    about["backend"] = "nginx" if shutil.which("nginx") else "a protocol on uvloop"
    about["packages"] = ", ".join(f"{name} {version(name)}" for name in names)
    if postgres:
        about["packages"] += f", pgqueuer {PGQUEUER}"
    return about


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
