"""Build the wheels and sdists, twice, and check them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from tools.release.distribution import DIST, Distribution
from tools.release.program import output, tool

__all__ = ["build_all", "check"]


def build_all(distributions: Iterable[Distribution]) -> None:
    """Build everything into an empty ``dist/``, and again elsewhere: both must be the same to the byte.

    The times in the archives are that of the last commit.
    """
    epoch = output("git", "log", "-1", "--format=%ct").strip()
    shutil.rmtree(DIST, ignore_errors=True)
    for each in distributions:
        build(each, DIST, epoch)
        with tempfile.TemporaryDirectory() as again:
            build(each, Path(again), epoch)
            for file in (each.wheel, each.sdist):
                same(file, Path(again) / file.name)


def build(distribution: Distribution, folder: Path, epoch: str) -> None:
    """Build an sdist, and a wheel from it, with the backend that is installed here."""
    backend = ("--no-build-isolation", "--python", sys.executable)
    command = (tool("uv"), "build", "--quiet", *backend, "--no-create-gitignore", "--out-dir", folder)
    output(*command, distribution.folder, SOURCE_DATE_EPOCH=epoch)


def same(file: Path, other: Path) -> None:
    """Stop where two builds of one file differ."""
    digests = {sha256(each.read_bytes()).hexdigest() for each in (file, other)}
    if len(digests) > 1:
        raise SystemExit(f"{file.name}: a second build has other bytes")


def check(distributions: Iterable[Distribution]) -> None:
    """Check the metadata as the index does, and what is in the wheels."""
    listed = list(distributions)
    wheels = [each.wheel for each in listed]
    output(tool("twine"), "check", "--strict", *wheels, *(each.sdist for each in listed))
    output(tool("check-wheel-contents"), *wheels)
