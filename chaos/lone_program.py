"""An application with its runner in one process, on an embedded database: one process owns the file.

``python -m chaos.lone_program CONFIG STORE SEED FIRST JOURNAL`` enqueues and delivers until SIGTERM.
Jobs are numbered from FIRST on. What it does and is told goes to JOURNAL at once: it may be killed.
"""

import asyncio
import signal
import sys
from pathlib import Path

from chaos.enqueuer import Enqueuer
from chaos.faults import GRACE
from chaos.journal import written
from chaos.stage import beside
from sp00ky_core import Outbox, RunnerOptions

RATE = 15.0
FILL_EVERY = 5.0
"""Seconds from one burst of jobs that hang to the next."""


async def run(config: str, store: str, seed: int, first: int, journal: Path) -> None:
    """Run until told to end."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    with written(journal) as note:
        async with Outbox.open(config, store=store) as outbox:
            enqueuer = Enqueuer(outbox, None, seed=seed, rate=RATE, first=first, note=note)
            async with outbox.runner(RunnerOptions(grace=GRACE)), beside(enqueuer.run(), _fill(enqueuer)):
                print("ready", file=sys.stderr, flush=True)  # a program, which prints
                await stopped.wait()
                await enqueuer.finish()


async def _fill(enqueuer: Enqueuer) -> None:
    while True:
        await asyncio.sleep(FILL_EVERY)
        await enqueuer.hang(10)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])))
