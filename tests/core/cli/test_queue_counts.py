"""``sp00ky jobs stats --watch``: a line of each backend's queue, again and again."""

import json
import signal
from pathlib import Path
from typing import Any, cast

import pytest

from sp00ky_core.cli import queue_counts
from sp00ky_core.cli.queue_counts import Queues
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.ports import BackendStats


def test_lines_in_a_pipe(migrated: Path, start: Any) -> None:
    for options in ((), ("--json",)):
        process = start("jobs", "stats", "--watch", *options)
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
        assert (process.returncode, err.strip()) == (130, "")
        assert "\x1b" not in "".join(lines) + out
        if options:
            assert json.loads(lines[1])["backends"]["api"]["pending"] == 0
        else:
            counts = "0 pending, 0 due, 0 processing, 0 success, 0 failed"
            assert lines[1][9:] == f"api: {counts}, 0.0 done/s, 0.0 failed/s, closed\n"


class _Away:
    """An outbox whose database is away, and then there."""

    def __init__(self) -> None:
        self.calls = 0

    async def stats(self) -> dict[str, BackendStats]:
        self.calls += 1
        if self.calls == 2:
            raise StoreUnavailable(store="memory://", problem="it is gone")
        return {"api": BackendStats(pending=self.calls)}


async def test_a_database_that_is_away_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_counts, "INTERVAL", 0.0)
    queues, problems = Queues(), []
    async for problem in queue_counts._counted(cast("Any", _Away()), queues):
        problems.append(problem)
        if len(problems) == 3:
            break
    assert [bool(problem) for problem in problems] == [False, True, False]
    assert queues.stats["api"].pending == 3
