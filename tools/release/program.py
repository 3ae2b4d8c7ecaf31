"""Run programs, and stop the release where one fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.sources import ROOT

__all__ = ["output", "tool"]


def output(*command: object, folder: Path = ROOT, **variables: str) -> str:
    """Return what a program prints.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        variables: Set in its environment.

    Raises:
        SystemExit: it failed; what it printed is the message.
    """
    words = [str(each) for each in command]
    environment = {**os.environ, **variables}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # fixed programs
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def tool(name: str) -> Path:
    """Find a program of the environment that this runs in."""
    return Path(sys.executable).parent / name
