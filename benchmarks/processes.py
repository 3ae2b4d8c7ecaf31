"""Read from /proc what processes have used: CPU to the nanosecond, memory. Linux only."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cpu_seconds", "family_cpu_seconds", "memory_mb", "parent"]

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process so far, all its threads."""
    nanoseconds = 0
    for task in (PROC / str(pid) / "task").iterdir():
        try:
            nanoseconds += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue  # the thread has ended since
    return nanoseconds / 1e9


def family_cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and of its children, those that have ended included."""
    while True:
        before = _children(pid)
        try:
            alive = sum(map(cpu_seconds, (pid, *before)))
        except OSError:
            continue  # one has ended since
        ended = sum(int(ticks) for ticks in _stat(pid)[13:15]) / TICK
        if _children(pid) == before:  # else one may be in both sums, or in neither
            return alive + ended


def parent(pid: int) -> int:
    """Return the id of a process's parent."""
    return int(_stat(pid)[1])


def memory_mb(pid: int) -> tuple[float, float]:
    """Return the resident megabytes of a process: now, and at most so far."""
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    now, most = (int(found[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in (PROC / str(pid) / "task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the command's name: state, parent, ..."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
