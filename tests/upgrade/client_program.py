"""An application: it enqueues by the packages of the release whose Python runs it, until SIGTERM.

``python -m tests.upgrade.client_program CONFIG FIRST JOURNAL`` numbers its jobs from FIRST on, and writes
what it does and is told to JOURNAL. It uses what both releases have.
"""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

from chaos.enqueuer import Enqueuer
from chaos.journal import written

from sp00ky_core import Outbox

RATE = 2.0
"""Calls a second: fewer than runners deliver on a busy machine, so that no step waits for a queue's end."""

KEYS = 20


async def run(config: str, first: int, journal: Path) -> None:
    """Run until told to end."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    with written(journal) as note:
        async with Outbox.open(config) as outbox:
            enqueuer = Enqueuer(outbox, None, seed=first, rate=RATE, first=first, note=note, keys=KEYS)
            enqueuing = asyncio.create_task(enqueuer.run())
            await stopped.wait()
            enqueuing.cancel()
            with suppress(asyncio.CancelledError):
                await enqueuing
            await enqueuer.finish()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
