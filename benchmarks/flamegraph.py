"""``python -m benchmarks.flamegraph``: draw where a runner's time goes, into flamegraph.svg; needs py-spy."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import uvloop

from benchmarks.on_postgres.server import Postgres, running
from benchmarks.project import fill, opened, until_delivered
from benchmarks.server import backend
from sp00ky_core import RunnerOptions

SVG = Path(__file__).with_name("flamegraph.svg")
JOBS = 40_000


def main() -> None:
    """Record a runner that delivers over HTTP, in a process of its own."""
    if len(sys.argv) > 1:
        uvloop.run(_deliver(*sys.argv[1:]))
        return
    with running() as postgres, backend() as target:
        uvloop.run(_record(postgres, target.url))


async def _record(postgres: Postgres, target: str) -> None:
    async with postgres.database() as url:
        async with opened(store=url, base_url=target) as outbox:
            await fill(outbox, JOBS)
        spy = str(Path(sys.executable).with_name("py-spy"))
        options = ("--function", "--rate", "500", "--output", str(SVG))
        command = (sys.executable, "-m", "benchmarks.flamegraph", url, target)
        child = await asyncio.create_subprocess_exec(spy, "record", *options, "--", *command)
        await child.wait()
    # py-spy's own title is its command, with this machine's paths.
    SVG.write_text(re.sub(r'(id="title"[^>]*>)[^<]*', r"\1A runner that delivers over HTTP", SVG.read_text()))


async def _deliver(url: str, target: str) -> None:
    async with opened(store=url, base_url=target) as outbox, outbox.runner(RunnerOptions()) as runner:
        await until_delivered(runner, JOBS)


if __name__ == "__main__":
    main()
