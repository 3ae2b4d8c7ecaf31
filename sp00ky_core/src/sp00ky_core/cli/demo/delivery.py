"""Run the demo: a folder, a backend, 200 jobs, a runner, and what came of it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from sp00ky_core.cli.context import run_async
from sp00ky_core.cli.demo.backend import DemoBackend
from sp00ky_core.cli.demo.screen import screen
from sp00ky_core.cli.demo.summary import summary
from sp00ky_core.errors import AdapterMissing, Sp00kyError
from sp00ky_core.job import Job, NewJob
from sp00ky_core.outbox import Outbox

JOBS = {"/spookify": 120, "/chat": 20, "/charge-payment": 60}

STORE = "surrealkv://./sp00ky.db"
CONFIG = """\
store: {store}
backends:
  demo:
    spec: ./openapi.yml
    baseUrl: {url} # the demo's own backend, which ends with the demo
    method: {{type: outbox, table: job}}
    concurrency: 8
    retry: {{base: 0.3, jitter: 0.1}}
    breaker: false
"""

LOOK = 0.25
"""Seconds between two looks at the jobs."""

LONGEST = 120
"""Seconds after which something must be wrong; it takes about 5."""


def delivered() -> Iterator[str]:
    """Do it, showing how it goes; the lines of the summary."""
    folder = Path(tempfile.mkdtemp(prefix="sp00ky-demo-"))
    with DemoBackend.started() as backend:
        config = _write_config(folder, backend)
        started = time.monotonic()
        try:
            jobs = run_async(_deliver(config))
        except AdapterMissing:
            shutil.rmtree(folder)  # nothing has happened in it
            raise
        seconds = time.monotonic() - started
    return summary(jobs, backend, seconds, config)


def _write_config(folder: Path, backend: DemoBackend) -> Path:
    document = files("sp00ky_core").joinpath("cli", "demo", "openapi.yml").read_text(encoding="utf-8")
    (folder / "openapi.yml").write_text(document, encoding="utf-8")
    config = folder / "sp00ky.yml"
    config.write_text(CONFIG.format(store=STORE, url=backend.url), encoding="utf-8")
    return config


async def _deliver(config: Path) -> list[Job]:
    outbox = Outbox.open(config, store=STORE)  # not what SP00KY_STORE says: the demo touches no real jobs
    runner = outbox.runner()  # before anything is opened: is a transport installed?
    async with outbox:
        await outbox.store.migrate()
        await _enqueue(outbox)
        async with runner:
            return await _ended(outbox)


async def _enqueue(outbox: Outbox) -> None:
    for path, count in JOBS.items():
        retries = 0 if path == "/charge-payment" else 3
        new_jobs = [NewJob(path=path, payload={"n": n}, max_retries=retries) for n in range(count)]
        await outbox.run_many("demo", new_jobs)


async def _ended(outbox: Outbox) -> list[Job]:
    try:
        async with asyncio.timeout(LONGEST):
            return await _watched(outbox)
    except TimeoutError as error:
        raise Sp00kyError(
            f"the demo's jobs haven't ended in {LONGEST} s: is this machine that busy?"
        ) from error


async def _watched(outbox: Outbox) -> list[Job]:
    total = sum(JOBS.values())
    with screen(JOBS) as show:
        while True:
            jobs = await outbox.find(limit=total)
            show(jobs)
            if all(job.is_terminal for job in jobs):
                return jobs
            await asyncio.sleep(LOOK)
