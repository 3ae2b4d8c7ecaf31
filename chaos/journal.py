"""What a program enqueues, line by line in a file: it may be killed at any time."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from chaos.history import Enqueue

__all__ = ["read_journal", "written"]


@contextmanager
def written(journal: Path) -> Iterator[Callable[[Enqueue], None]]:
    """What adds a record to a journal."""
    with journal.open("ab", buffering=0) as file:
        yield lambda record: _add(file.write, record)


def read_journal(journal: Path) -> list[Enqueue]:
    """What was last known of each job."""
    records = (Enqueue(**json.loads(line)) for line in journal.read_bytes().splitlines())
    return list({record.n: record for record in records}.values())


def _add(write: Callable[[bytes], int], record: Enqueue) -> None:
    write(json.dumps(attrs.asdict(record)).encode() + b"\n")
