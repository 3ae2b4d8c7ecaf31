"""The project that runs in a chaos session: two backends at one origin, and a plugin that marks requests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.chaos.backend import PATHS, TIMEOUT

__all__ = ["TABLES", "BACKENDS", "ROOT", "write_project", "install_marks"]

ROOT = Path(__file__).parents[2]

BACKENDS = ("wild", "calm")
TABLES = ("job", "calm_job")

CONCURRENCY = 8

BACKEND = """\
  {name}:
    spec: ./openapi.json
    baseUrl: {origin}
    method: {{type: outbox, table: {table}}}
    timeout: {timeout}
    concurrency: {concurrency}
    giveUpOn: [400]
    retry: {{base: 0.2, cap: 2}}
    retention: {{success: 1d, failed: 1d}}
    breaker: {breaker}
"""

BREAKERS = {"wild": "false", "calm": "{}"}
"""The wild one fails so much that it would be open most of the time; outages have tests of their own."""

MARKS = "chaos_marks-1.0.dist-info"


def write_project(
    folder: Path, origin: str, *, timeout: float = TIMEOUT, concurrency: int = CONCURRENCY
) -> Path:
    """The sp00ky.yml of a new project in a folder; the store is left to ``--store``."""
    operation = {"post": {"responses": {"200": {"description": "done"}}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "chaos", "version": "1"},
        "paths": dict.fromkeys(PATHS, operation),
    }
    (folder / "openapi.json").write_text(json.dumps(document))
    blocks = [
        BACKEND.format(
            name=name,
            table=table,
            origin=origin,
            timeout=timeout,
            concurrency=concurrency,
            breaker=BREAKERS[name],
        )
        for name, table in zip(BACKENDS, TABLES, strict=True)
    ]
    file = folder / "sp00ky.yml"
    file.write_text("backends:\n" + "".join(blocks))
    install_marks(folder)
    return file


def install_marks(folder: Path) -> None:
    """A distribution that the installed ``sp00ky`` finds where the folder is on its path."""
    info = folder / MARKS
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chaos-marks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sp00ky]\nmarks = chaos_marks\n")
    shutil.copy(Path(__file__).with_name("marks.py"), folder / "chaos_marks.py")
