"""List the product's source files."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ROOT", "distributions"]

ROOT = Path(__file__).parent.parent


def distributions() -> list[Path]:
    """List the folders of ``src/<package>``, one for each distribution, the core first."""
    found = sorted((*ROOT.glob("sp00ky_*/src/sp00ky_*"), *ROOT.glob("contrib/*/src/*")))
    return [each for each in found if each.is_dir() and each.suffix != ".egg-info"]
