"""Read what the distributions say of themselves: name, version, dependencies, Pythons."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import attrs

from tools.sources import ROOT, distributions

__all__ = ["DIST", "Distribution", "all_distributions"]

DIST = ROOT / "dist"

PYTHON = re.compile(r"Programming Language :: Python :: (3\.\d+)")


@attrs.frozen(kw_only=True)
class Distribution:
    """One distribution, as its ``pyproject.toml`` has it.

    Attributes:
        folder: Where it lies.
        name: The name on the index.
        version: The version to release.
        dependencies: What it needs, ours included.
        extras: What each of its extras needs.
        pythons: The Pythons of its classifiers, as ``3.11``.
    """

    folder: Path
    name: str
    version: str
    dependencies: tuple[str, ...]
    extras: dict[str, tuple[str, ...]]
    pythons: tuple[str, ...]

    @property
    def wheel(self) -> Path:
        """Where its wheel is built to."""
        return DIST / f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    @property
    def sdist(self) -> Path:
        """Where its sdist is built to."""
        return DIST / f"{self.name.replace('-', '_')}-{self.version}.tar.gz"

    @property
    def whole(self) -> str:
        """The requirement of it with all of its extras."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}=={self.version}"


def read(folder: Path) -> Distribution:
    """Read one distribution's ``pyproject.toml``."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return Distribution(
        folder=folder,
        name=project["name"],
        version=project["version"],
        dependencies=tuple(project["dependencies"]),
        extras={name: tuple(needs) for name, needs in project.get("optional-dependencies", {}).items()},
        pythons=tuple(PYTHON.findall("\n".join(project["classifiers"]))),
    )


def all_distributions() -> list[Distribution]:
    """Read them all, the core first."""
    folders = dict.fromkeys(package.parent.parent for package in distributions())
    return sorted((read(folder) for folder in folders), key=lambda each: each.name != "sp00ky-core")
