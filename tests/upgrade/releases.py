"""Install an earlier release from its commit: wheels, in an environment of their own."""

import fcntl
import shutil
import subprocess
import sys
import tempfile
import venv
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import attrs

__all__ = ["BEFORE", "FIRST", "LATEST", "THIS", "Release", "installed", "why_not"]

ROOT = Path(__file__).parents[2]

BEFORE = "bea59ef82537a68cafb97a04aacb798d8ead1334"
"""The last commit of 0.4.0, whose core reads OpenAPI documents itself: what is upgraded, and back."""

LATEST = "625706c58583a2cf88d92195b30c850361d2c872"
"""The last one whose core has schedules: 0.3.0."""

FIRST = "7b58fef239a966bd60d9b4498dd5a82fc4beb62a"
"""The last one whose SurrealDB tables had other indexes: 0.1.0. There is no way back to it."""

DISTRIBUTIONS = (
    *("sp00ky_core", "sp00ky_conformance", "sp00ky_transport_http"),
    *("sp00ky_store_postgres", "sp00ky_store_surreal", "contrib/sp00ky_store_sqlite"),
)

INSTALLED = ROOT / "build" / "releases"
"""Kept from one run to the next, for a commit doesn't change."""


@attrs.frozen
class Release:
    """The programs of a release."""

    programs: Path

    @property
    def sp00ky(self) -> Path:
        """The command line."""
        return self.programs / "sp00ky"

    @property
    def python(self) -> Path:
        """What runs programs that import it."""
        return self.programs / "python"


THIS = Release(Path(sys.executable).parent)
"""What is under test."""


def why_not(commit: str) -> str:
    """Why a commit can't be installed; empty where it can."""
    if shutil.which("git") is None:
        return "no `git` on PATH: the release before can't be had"
    known = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{tree}}"], cwd=ROOT, check=False, stderr=subprocess.DEVNULL
    )
    short = commit[:8]
    return f"no commit {short} in this clone: git fetch --unshallow" if known.returncode else ""


def installed(commit: str) -> Release:
    """Install a commit, once for all processes that ask at the same time."""
    folder = INSTALLED / f"{commit[:12]}-{sys.implementation.cache_tag}"
    INSTALLED.mkdir(parents=True, exist_ok=True)
    done = folder / "installed"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # an earlier one was cut off
            _install(commit, folder)
            done.touch()
    return Release(folder / "bin")


def _install(commit: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        sources, wheels = Path(temporary) / "sources", Path(temporary) / "wheels"
        with ZipFile(BytesIO(_output("git", "archive", "--format=zip", commit))) as archive:
            archive.extractall(sources)
        folders = [
            sources / distribution for distribution in DISTRIBUTIONS if (sources / distribution).exists()
        ]
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
        _output(*pip, "wheel", "--no-deps", "--wheel-dir", wheels, *folders)
        venv.create(folder, with_pip=False)
        _output(*pip, "--python", folder, "install", *sorted(wheels.iterdir()))


def _output(*command: object) -> bytes:
    done = subprocess.run([str(argument) for argument in command], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return done.stdout
