"""The project that runs in a chaos session: two backends at one origin, and a plugin that marks requests."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from chaos.backend import PATHS, TIMEOUT
from chaos.history import Limit

__all__ = ["TABLES", "BACKENDS", "ROOT", "write_project", "write_outage_project"]

ROOT = Path(__file__).parents[1]

BACKENDS = ("wild", "calm")
TABLES = ("job", "calm_job")

CONCURRENCY = 8

GIVEN_UP_ON = [400]
"""Statuses after which a job isn't sent again."""

BACKEND = """\
  {name}:
    spec: ./openapi.json
    baseUrl: {origin}
    method: {{type: outbox, table: {table}}}
    timeout: {timeout}
    concurrency: {concurrency}
    giveUpOn: {given_up_on}
    retry: {{base: 0.2, cap: 2}}
    retention: {{success: 1d, failed: 1d}}
    breaker: {breaker}
{limits}"""

BREAKERS = {"wild": "false", "calm": "{}"}
"""The wild one fails so much that it would be open most of the time; outages have tests of their own."""

INFO = "chaos_marks-1.0.dist-info"


def write_project(
    folder: Path,
    origin: str,
    *,
    timeout: float = TIMEOUT,
    concurrency: int = CONCURRENCY,
    limits: Iterable[Limit] = (),
    more: str = "",
    extra: str = "",
) -> Path:
    """The sp00ky.yml of a new project in a folder; the store is left to ``--store``.

    ``more`` are lines of each backend, ``extra`` those at the file's end.
    """
    tables = zip(BACKENDS, TABLES, strict=True)
    blocks = [
        BACKEND.format(
            name=name,
            table=table,
            origin=origin,
            timeout=timeout,
            concurrency=concurrency,
            given_up_on=GIVEN_UP_ON,
            breaker=BREAKERS[name],
            limits="".join(_limits_of(limit) for limit in limits if limit.path == f"/{name}") + more,
        )
        for name, table in tables
    ]
    return _write(folder, PATHS, [*blocks, extra], plugin="marks")


def write_outage_project(
    folder: Path, origins: Mapping[str, str], *, timeouts: Mapping[str, float], concurrency: int
) -> Path:
    """The same for backends that each have an origin, and a table, of their own; all serve ``/work``."""
    blocks = [
        BACKEND.format(
            name=f'"{name}"',
            table=f"job_{name}",
            origin=origin,
            timeout=timeouts[name],
            concurrency=concurrency,
            given_up_on=GIVEN_UP_ON,
            breaker="{}",
            limits="",
        )
        for name, origin in origins.items()
    ]
    return _write(folder, ["/work"], blocks, plugin="outage_marks")


def _limits_of(limit: Limit) -> str:
    rate = f"{{limit: {limit.rate:.0f}, per: 1s, burst: {limit.burst:.0f}}}"
    return f"    rate: {rate}\n    maxInFlight: {limit.at_once:.0f}\n"


def _write(folder: Path, paths: Iterable[str], blocks: Iterable[str], *, plugin: str) -> Path:
    operation = {
        "post": {
            "requestBody": {"content": {"application/json": {}}},
            "responses": {"200": {"description": "done"}},
        }
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "chaos", "version": "1"},
        "paths": dict.fromkeys(paths, operation),
    }
    (folder / "openapi.json").write_text(json.dumps(document))
    file = folder / "sp00ky.yml"
    file.write_text("backends:\n" + "".join(blocks))
    _install(folder, plugin)
    return file


def _install(folder: Path, name: str) -> None:
    """A distribution that the installed ``sp00ky`` finds where the folder is on its path."""
    info = folder / INFO
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chaos-marks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sp00ky]\nmarks = chaos_marks\n")
    shutil.copy(Path(__file__).with_name(f"{name}.py"), folder / "chaos_marks.py")
