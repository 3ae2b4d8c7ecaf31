"""Remember of which sources each picture was made, and name those that are older than their sources.

``docs/images/manifest.json`` has, for each kind of picture, the hash of every source that it shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path

from tools.sources import ROOT

__all__ = ["IMAGES", "MANIFEST", "outdated", "record"]

IMAGES = ROOT / "docs" / "images"
MANIFEST = IMAGES / "manifest.json"

DASHBOARD = "contrib/sp00ky_dashboard/src/sp00ky_dashboard"
CLI = "sp00ky_core/src/sp00ky_core/cli"

SCREENS: Mapping[str, tuple[str, ...]] = {
    "dashboard-*.png": (
        f"{DASHBOARD}/templates/**/*",
        f"{DASHBOARD}/static/*.css",
        f"{DASHBOARD}/static/*.js",
        f"{DASHBOARD}/pages/*.py",
        f"{DASHBOARD}/observe/*.py",
        f"{DASHBOARD}/durations.py",
        f"{DASHBOARD}/render.py",
        "tests/dashboard/scene.py",
        "tools/pictures/dashboard.py",
    ),
    "terminal-*.svg": (f"{CLI}/live/*.py", f"{CLI}/terminal/*.py", "tools/pictures/terminal.py"),
    "demo.svg": (f"{CLI}/demo/*", f"{CLI}/live/screen.py", "tools/pictures/terminal.py"),
}
"""Patterns of the sources that pictures show, by patterns of the pictures' names."""


def kinds() -> Mapping[str, tuple[str, ...]]:
    """Return all kinds of pictures, with the patterns of their sources: the screens, and each diagram."""
    texts = sorted(IMAGES.glob("*.mmd"))
    drawn = {f"{each.stem}.svg": (f"docs/images/{each.name}", "tools/pictures/diagrams.py") for each in texts}
    return {**SCREENS, **drawn}


def sources(kind: str) -> dict[str, str]:
    """Return the hash of each source of a kind of pictures."""
    files = {file for pattern in kinds()[kind] for file in ROOT.glob(pattern) if file.is_file()}
    kept = sorted(each for each in files if "__pycache__" not in each.parts)
    return {str(each.relative_to(ROOT)): sha256(each.read_bytes()).hexdigest()[:12] for each in kept}


def record(patterns: Iterable[str]) -> None:
    """Write down that the pictures whose kind matches one of the patterns were just made."""
    known = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else {}
    made = [kind for kind in kinds() if any(fnmatch(kind, pattern) for pattern in patterns)]
    known |= {kind: sources(kind) for kind in made}
    MANIFEST.write_text(json.dumps({kind: known[kind] for kind in kinds() if kind in known}, indent=2) + "\n")


def kind_of(picture: Path) -> str | None:
    """Return the kind of a picture."""
    return next((kind for kind in kinds() if fnmatch(picture.name, kind)), None)


def outdated(images: Path = IMAGES) -> list[str]:
    """Return a line for each picture that is older than a source of it, or that nothing makes."""
    known = json.loads((images / MANIFEST.name).read_text())
    found = []
    for picture in sorted(each for each in images.iterdir() if each.suffix in {".png", ".svg"}):
        kind = kind_of(picture)
        changed = _changed(known.get(kind, {}), sources(kind)) if kind else []
        if kind is None:
            found.append(f"docs/images/{picture.name}: nothing makes it, see tools/pictures/manifest.py")
        elif changed:
            found.append(f"docs/images/{picture.name} is older than {changed[0]}: run nox -s screenshots")
    return found


def _changed(known: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [name for name in {**now, **known} if known.get(name) != now.get(name)]
