"""Narrow what the site's search finds to pages: not each name of the Python reference, nor the examples."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["narrow"]

ASIDE = ("reference/python/", "examples/", "distributions/")
"""What would hide the page about a word behind every name that has it."""


def narrow(folder: Path) -> None:
    """Leave the Python reference, examples and distributions out of the search."""
    file = folder / "search.json"
    found = json.loads(file.read_text())
    found["items"] = [item for item in found["items"] if not item["location"].startswith(ASIDE)]
    file.write_text(json.dumps(found))
