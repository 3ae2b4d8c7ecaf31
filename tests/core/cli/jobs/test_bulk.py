"""Operating on all jobs that match: how many, in which batches, and how far it came."""

import asyncio
import os
import signal
from typing import Any

import pytest
from tests.core.cli.jobs.shelf import NOTHING, Shelf, ended, enqueued

from sp00ky_core.operators import matching_jobs
from sp00ky_core.stores.memory.store import MemoryStore


def test_a_number_is_shown_and_yes_is_needed_where_nobody_can_be_asked(shelf: Shelf, sp00ky: Any) -> None:
    ids = ended(2)
    line = sp00ky("jobs", "clear", "--code", "500").complaint(2)
    assert "2 jobs would be cleared, and nothing was done: add --yes" in line
    assert shelf.statuses(ids) == ["failed", "failed"]
    done = sp00ky("jobs", "clear", "--code", "500", "--yes")
    assert (done.code, done.out, done.err) == (0, "cleared: 2\n", "sp00ky: 2 jobs match\n")
    assert shelf.all() == {}


def test_a_dry_run_only_counts(shelf: Shelf, sp00ky: Any) -> None:
    ids = [*ended(2), *enqueued(3)]
    assert sp00ky("jobs", "kill", "--all", "--dry-run").out == "would be killed: 3\n"
    assert sp00ky("jobs", "retry", "--all", "--dry-run", "--yes").out == "would be redriven: 2\n"
    counted = sp00ky("jobs", "clear", "--limit", "1", "--dry-run", "--json")
    assert (counted.code, counted.err) == (0, "")
    assert counted.json == {
        "matched": 1,
        "done": 0,
        "refused": NOTHING,
        "dry_run": True,
        "interrupted": False,
    }
    assert shelf.statuses(ids) == ["failed"] * 2 + ["pending"] * 3


def test_what_is_refused_is_counted_and_exits_1(shelf: Shelf, sp00ky: Any) -> None:
    (held,) = ended(1, dedup_key="k")
    enqueued(1, dedup_key="k")
    tried = sp00ky("jobs", "retry", "--all", "--yes", "--json")
    refused = {"duplicate": 1, "illegal": 0}
    assert (tried.code, tried.json) == (
        1,
        {"matched": 1, "done": 0, "refused": refused, "interrupted": False},
    )
    assert "refused: 1 duplicate" in tried.err
    assert shelf.statuses([held]) == ["failed"]


def test_interrupted_it_ends_its_batch_and_says_how_far_it_came(
    shelf: Shelf, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching_jobs, "PAGE", 2)
    ids = enqueued(7)
    settle, pages = MemoryStore.settle, list[int]()

    async def settle_interrupted(store: MemoryStore, settlements: Any) -> Any:
        pages.append(len(settlements))
        if len(pages) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(10):  # the loop gets to see it
                await asyncio.sleep(0)
        return await settle(store, settlements)

    monkeypatch.setattr(MemoryStore, "settle", settle_interrupted)
    killed = sp00ky("jobs", "kill", "--all", "--yes", "--json")
    assert killed.code == 1
    assert killed.json == {"matched": 7, "done": 4, "refused": NOTHING, "interrupted": True}
    assert killed.err.splitlines()[-1] == (
        "sp00ky: interrupted after 4 of 7 jobs: the others are as they were"
    )
    (entry,) = sp00ky("audit", "--json").json["audit"]
    assert (entry["count"], entry["ended_at"] is None) == (4, False)
    assert shelf.statuses(ids) == ["pending"] * 3 + ["failed"] * 4
