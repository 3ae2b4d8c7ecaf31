"""The demo's runner, as the demo sees it."""

from __future__ import annotations

import asyncio
from typing import Any

from sp00ky_core.cli.demo.delivery import MANY, SLOW, _until_killed
from sp00ky_core.cli.demo.snapshot import line_of
from sp00ky_core.job import Job, JobStatus


class Ended:
    """A process that has ended; what it reported is still to be read."""

    pid = 7

    def __init__(self, report: bytes) -> None:
        self.stdout = asyncio.StreamReader()
        self.stdout.feed_data(report)
        self.stdout.feed_eof()

    def kill(self) -> None:
        raise ProcessLookupError


async def test_a_runner_that_has_ended_before_it_is_killed_ends_no_demo() -> None:
    status = JobStatus.PROCESSING
    jobs = [
        Job(id=f"job:{n}", backend="demo", path=SLOW, payload_json=b"{}", status=status) for n in range(MANY)
    ]
    ended: Any = Ended(line_of(jobs))
    assert await _until_killed(ended, lambda *_: None) == jobs
