"""``sp00ky jobs export``: jobs as JSON, one a line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import complaints
from tests.core.cli.jobs.conftest import Call
from tests.core.cli.jobs.shelf import Shelf, ended, enqueued
from tests.core.encoding.test_job_json import KEYS

from sp00ky_core.operators import matching_jobs
from sp00ky_core.stores.memory.store import MemoryStore


def exported(done: Any) -> list[str]:
    """The ids, of lines of which each is a job."""
    assert done.code == 0, done.err
    documents = [json.loads(line) for line in done.out.splitlines()]
    assert all(list(each) == KEYS for each in documents)
    return [each["id"] for each in documents]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two."""
    monkeypatch.setattr(matching_jobs, "PAGE", 2)


def test_all_are_exported_newest_first(shelf: Shelf, sp00ky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sp00ky_core.cli.terminal.progress.LINE_EVERY", 4)
    ids = enqueued(9, payload={"id": "é\u2028\x1b"})
    done = sp00ky("jobs", "export", "--all")
    assert exported(done) == ids[::-1]
    assert done.err.splitlines() == ["exported: 4", "exported: 8"]
    assert "\x1b" not in done.out
    assert "\u2028" not in done.out


def test_filters_ids_and_a_limit_choose(shelf: Shelf, sp00ky: Any) -> None:
    failed, waiting = ended(3), enqueued(2, "/fails")
    assert exported(sp00ky("jobs", "export", "--status", "failed")) == failed[::-1]
    assert exported(sp00ky("jobs", "export", "--path", "/fails", "--json")) == waiting[::-1]
    assert exported(sp00ky("jobs", "export", "--limit", "3")) == [*waiting[::-1], failed[2]]
    assert exported(sp00ky("jobs", "export", failed[0], waiting[1][:-1])) == [failed[0], waiting[1]]
    assert exported(sp00ky("jobs", "export", "--status", "processing")) == []
    assert sp00ky("audit", "--json").json["audit"] == []


def test_one_that_is_missing_is_said_and_the_others_come(shelf: Shelf, sp00ky: Any) -> None:
    (job_id,) = enqueued(1)
    done = sp00ky("jobs", "export", "job:nope", job_id)
    assert done.code == 1
    assert json.loads(done.out)["id"] == job_id
    assert "'job:nope'" in done.err


def test_interrupted_it_ends_its_page_and_says_so(
    shelf: Shelf, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueued(7)
    find, reads = MemoryStore.find, list[int]()

    async def find_interrupted(store: MemoryStore, query: Any, **_: object) -> Any:
        reads.append(1)
        if len(reads) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(10):  # the loop gets to see it
                await asyncio.sleep(0)
        return await find(store, query)

    monkeypatch.setattr(MemoryStore, "find", find_interrupted)
    done = sp00ky("jobs", "export", "--all")
    assert done.code == 1
    assert len(done.out.splitlines()) == 4
    assert done.err == "sp00ky: interrupted after 4 jobs\n"


def test_a_reader_that_has_enough_ends_it_without_a_word(call: Call, migrated: Path, start: Any) -> None:
    call()
    process = start("jobs", "export", "--all", stdout=subprocess.PIPE)
    process.stdout.close()
    assert complaints(process.stderr.read()) == ""
    assert process.wait(30) in {0, 1}
