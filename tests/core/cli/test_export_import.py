"""``sp00ky jobs export | import``: shapes, what is chosen, what is refused, and a move."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import complaints
from tests.core.cli.conftest import Call
from tests.core.cli.shelf import Shelf, ended, enqueued
from tests.core.job.test_job import KEYS

from sp00ky_core.outbox.operators import bulk, export_import
from sp00ky_core.outbox.operators.export_import import COLUMNS
from sp00ky_store_kit.memory import MemoryStore


def exported(done: Any) -> list[str]:
    """The ids, of lines of which each is a job."""
    assert done.code == 0, done.err
    documents = [json.loads(line) for line in done.out.splitlines()]
    assert all(tuple(document) == (*COLUMNS, "export_version") for document in documents)
    return [document["id"] for document in documents]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two."""
    monkeypatch.setattr(bulk, "PAGE", 2)


def test_all_are_exported_newest_first(shelf: Shelf, sp00ky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sp00ky_core.cli.output.LINE_EVERY", 4)
    ids = enqueued(9, payload={"id": "é\u2028\x1b"})
    done = sp00ky("jobs", "export", "--all")
    assert exported(done) == ids[::-1]
    assert done.err.splitlines() == ["exported: 4", "exported: 8"]
    assert "\x1b" not in done.out
    assert "\u2028" not in done.out


def test_one_that_is_missing_is_said_and_the_others_come(shelf: Shelf, sp00ky: Any) -> None:
    (job_id,) = enqueued(1)
    done = sp00ky("jobs", "export", "job:nope", job_id)
    assert done.code == 1
    assert json.loads(done.out)["id"] == job_id
    assert "'job:nope'" in done.err


def test_interrupted_it_ends_and_says_so(shelf: Shelf, sp00ky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    enqueued(7)
    find, reads = MemoryStore.find, list[int]()

    async def find_interrupted(store: MemoryStore, query: Any, **options: Any) -> Any:
        reads.append(1)
        if len(reads) == 3:
            signal.raise_signal(signal.SIGINT)
            for _ in range(10):  # the loop gets to see it
                await asyncio.sleep(0)
        return await find(store, query, **options)

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


def test_columns_are_chosen(shelf: Shelf, sp00ky: Any) -> None:
    (job_id,) = enqueued(1, payload={"id": "=1,\n2"}, dedup_key="=cmd|'/c calc'!A0")
    assert list(COLUMNS[: len(KEYS)]) == KEYS
    done = sp00ky("jobs", "export", "--all", "--columns", "status,id")
    assert done.out == json.dumps({"status": "pending", "id": job_id}) + "\n"
    done = sp00ky("jobs", "export", job_id, "--format", "csv", "--columns", "id, payload,retries,dedup_key")
    rows, quoted = list(csv.reader(done.out.splitlines(keepends=True))), "'=cmd|'/c calc'!A0"
    assert rows == [["id", "payload", "retries", "dedup_key"], [job_id, '{"id": "=1,\\n2"}', "0", quoted]]
    assert sp00ky("jobs", "export", "--all", "--format", "csv").out.startswith("id,backend,path,")
    assert "'retries'" in sp00ky("jobs", "export", "--all", "--columns", "retry").complaint(2)


def test_an_export_is_moved_and_the_move_repeated(
    shelf: Shelf, sp00ky: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(3)
    waiting = enqueued(2, dedup_key="d")[0]
    export = sp00ky("jobs", "export", "--all").out
    (project / "jobs.ndjson").write_text(export)
    monkeypatch.setenv("SP00KY_STORE", f"sqlite:///{project / 'other.db'}")
    assert sp00ky("migrate").code == 0
    dry = sp00ky("jobs", "import", "jobs.ndjson", "--dry-run")
    assert (dry.code, dry.out) == (0, "would be imported: 4\n")
    assert "nothing was done" in sp00ky("jobs", "import", "jobs.ndjson").complaint(2)
    done = sp00ky("jobs", "import", "jobs.ndjson", "--yes", "--json", "--reason", "a move")
    refused = {"duplicate": 0, "illegal": 0}
    numbers = {"matched": 4, "done": 4, "refused": refused, "skipped": 0, "interrupted": False}
    assert (done.code, done.json) == (0, numbers)
    assert sp00ky("jobs", "export", "--all").out == export
    again = sp00ky("jobs", "import", "jobs.ndjson", "--yes", "--json")
    assert (again.code, again.json) == (0, numbers | {"done": 0, "skipped": 4})
    (entry, first) = sp00ky("audit", "--json").json["audit"]
    assert (first["action"], first["count"], first["reason"]) == ("import", 4, "a move")
    assert (first["selection"], entry["count"]) == ({"file": "jobs.ndjson", "jobs": 4}, 0)
    (project / "jobs.ndjson").write_text(
        export.replace('"max_retries": 3', '"max_retries": 4', 1).replace(f'"{waiting}"', '"job:other"')
    )
    other = sp00ky("jobs", "import", "jobs.ndjson", "--yes", "--json")
    assert (other.code, other.json["refused"]) == (1, refused | {"duplicate": 1})
    assert other.json["skipped"] == 3


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"export_version": 1', '"export_version": 2', "line 2 is of version 2, and this sp00ky reads"),
        (', "export_version": 1', "", "export whole jobs, as NDJSON, without --columns"),
        ('"status": "pending"', '"status": "processing"', "line 2 is processing"),
        ('"backend": "api"', '"backend": "gone"', "sp00ky.yml has api"),
        ('"id": "job:', '"id": "mail:', "the table of api is job"),
        ('{"id"', '["id"', "line 2 is no JSON object"),
    ],
)
def test_nothing_is_imported_of_what_is_no_export(
    old: str, new: str, problem: str, shelf: Shelf, sp00ky: Any, project: Path
) -> None:
    enqueued(2)
    first, second = sp00ky("jobs", "export", "--all").out.splitlines()
    assert shelf.store is not None
    shelf.store = None
    (project / "jobs.ndjson").write_text(f"{first}\n{second.replace(old, new)}\n")
    refused = sp00ky("jobs", "import", "jobs.ndjson", "--yes").complaint(2)
    assert problem in refused
    assert refused.endswith("; nothing was imported")
    assert shelf.all() == {}


def test_few_bytes_are_read_at_a_time_and_not_by_the_event_loop(
    shelf: Shelf, sp00ky: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueued(3, payload={"id": "x" * 400})
    enqueued(4)
    (project / "jobs.ndjson").write_text(sp00ky("jobs", "export", "--all").out)
    shelf.store, batches, readers = None, list[int](), set[threading.Thread]()
    import_jobs, decode = MemoryStore.import_jobs, export_import.decode

    async def import_counted(store: MemoryStore, jobs: Any) -> None:
        batches.append(len(jobs))
        await import_jobs(store, jobs)

    def decode_here(line: bytes) -> Any:
        readers.add(threading.current_thread())
        return decode(line)

    monkeypatch.setattr(MemoryStore, "import_jobs", import_counted)
    monkeypatch.setattr(export_import, "decode", decode_here)
    monkeypatch.setattr(export_import, "PAGE", 3)
    monkeypatch.setattr(export_import, "BATCH_BYTES", 2_200)
    assert sp00ky("jobs", "import", "jobs.ndjson", "--yes").out == "imported: 7\n"
    assert batches == [3, 2, 1, 1]
    assert threading.main_thread() not in readers


def test_a_pipe_can_t_be_read_twice(shelf: Shelf, sp00ky: Any, project: Path) -> None:
    os.mkfifo(project / "pipe")
    assert "write it into a file; nothing was imported" in sp00ky(
        "jobs", "import", "pipe", "--yes"
    ).complaint(2)


def test_a_row_that_no_job_has_is_refused_and_the_others_come(
    shelf: Shelf, sp00ky: Any, project: Path
) -> None:
    enqueued(4)
    lines = sp00ky("jobs", "export", "--all").out.splitlines()
    shelf.store = None
    changed = [
        lines[0].replace('"payload": {}', '"payload": "text"'),
        lines[1].replace('"priority": 0', '"priority": 7'),
        lines[2].replace('"run_at": "', '"run_at": "x'),
        lines[3],
    ]
    (project / "jobs.ndjson").write_text("\n".join(changed))
    done = sp00ky("jobs", "import", "jobs.ndjson", "--yes")
    assert (done.code, done.out) == (1, "imported: 1\n")
    assert "refused: 3 illegal; the first: job job:" in done.err
    assert len(shelf.all()) == 1
