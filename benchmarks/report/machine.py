"""Say what the numbers depend on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.environment import ROOT
from benchmarks.peers.registry import PROGRAMS
from benchmarks.setting import Setting
from benchmarks.surreal.database import surreal as surreal_server

__all__ = ["machine"]

PACKAGES = ("sp00ky-core", "sp00ky-transport-http", "aiohttp", "httptools", "uvloop")
OF_POSTGRES = ("sp00ky-store-postgres", "asyncpg")
OF_SURREAL = ("sp00ky-store-surreal", "surrealdb", "cbor2")


async def machine(setting: Setting, *, surreal: bool) -> dict[str, str]:
    """Describe the machine, the servers that are measured, the versions."""
    about = {
        "CPU": f"{_cpu()}, {os.cpu_count()} cores, shared by client, backend and database",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "commit": _commit(),
    }
    names: tuple[str, ...] = PACKAGES
    if setting.server:
        about["PostgreSQL"] = await setting.server.version()
        names += OF_POSTGRES
    if surreal:
        with surreal_server() as server:
            about["SurrealDB"] = await server.version()
        names += OF_SURREAL
    about["backend"] = "nginx, one worker" if shutil.which("nginx") else "a protocol on uvloop"
    about["packages"] = ", ".join(f"{name} {version(name)}" for name in names)
    if setting.server:
        about |= _peers(setting)
    return about


def _peers(setting: Setting) -> dict[str, str]:
    """Return the peers' versions, by name."""
    texts = {f"{program.name}'s": program.about() for program in setting.programs(PROGRAMS)}
    return {name: text for name, text in texts.items() if text}


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
