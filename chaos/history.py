"""What is recorded while everything is broken: plain facts, each with its instant.

A job is known by ``n``, the number in its payload, for an enqueuer whose commit fails may never learn an id.
Instants are seconds since the epoch; all who record are on one machine.
"""

import json
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Any

import attrs

__all__ = [
    "Enqueue",
    "Request",
    "Report",
    "Disturbance",
    "Retry",
    "Pause",
    "Reschedule",
    "Move",
    "Row",
    "Limit",
    "History",
    "EVERYBODY",
    "EVER",
    "COMMITTED",
    "ROLLED_BACK",
    "UNKNOWN",
    "write_history",
    "write_records",
]

EVERYBODY = "*"
"""Stands for every runner."""

EVER = inf
"""The end of what has none."""

COMMITTED, ROLLED_BACK, UNKNOWN = "committed", "rolled back", "unknown"


@attrs.define(kw_only=True)
class Enqueue:
    """What an enqueuer did, and what it was told."""

    n: int
    at: float  # just before the row could first be seen by others: the COMMIT, or the whole call, was sent
    fate: str = UNKNOWN
    done: float = 0.0  # when it was told that it is committed
    batch: int = 0  # the first number of those that were enqueued in one call, in this order
    begun: float = 0.0  # just before the row was sent, in a transaction well before its COMMIT


@attrs.define(kw_only=True)
class Request:
    """A request as it arrived at the backend, and how it was answered."""

    number: int  # as the answer says it, which becomes the job's result
    n: int
    at: float
    runner: str = ""  # the name of its process
    epoch: int = 0  # of the claim that it was made under
    status: int = 0  # 0: no whole head was sent
    answered_at: float = 0.0
    certain: bool = False  # the whole answer was sent, well within the timeout
    begun: float = 0.0  # when its runner began the attempt: on a busy machine well before it arrived
    path: str = ""
    behaviour: str = ""  # what the backend did to it
    gone_at: float = 0.0  # when the backend was done with it, answered or not

    @property
    def is_delivered(self) -> bool:
        """Whether it was answered 2xx."""
        return 200 <= self.status < 300

    @property
    def over_at(self) -> float:
        """When a head was sent, which decides, or the client had gone; infinity: never."""
        return (self.answered_at if self.status else self.gone_at) or inf


@attrs.define(kw_only=True)
class Report:
    """A runner says that a settlement is durable."""

    job_id: str
    epoch: int
    to: str
    runner: str
    at: float


@attrs.define(kw_only=True)
class Disturbance:
    """Something was broken, for a while."""

    kind: str
    runner: str  # or EVERYBODY
    since: float
    until: float
    excuses: bool = True  # a request that was answered may be repeated because of it


@attrs.define(kw_only=True)
class Retry:
    """An operator redrove a job, or may have (their call failed)."""

    n: int
    at: float


@attrs.define(kw_only=True)
class Pause:
    """An operator paused a backend."""

    backend: str
    since: float = EVER  # when it was acknowledged; never: nobody knows whether it holds
    until: float = EVER  # just before it was resumed


@attrs.define(kw_only=True)
class Reschedule:
    """An operator changed when a job is due, and was told that it is done."""

    n: int
    done: float
    due: float  # at the earliest


@attrs.define(kw_only=True)
class Move:
    """A row changed, as the database itself has recorded it."""

    job_id: str
    at: float
    before: str
    after: str
    epoch_before: int
    epoch_after: int
    runner: str | None  # who holds it now, or held it before


@attrs.define(kw_only=True)
class Row:
    """A row in the end."""

    n: int
    job_id: str
    status: str
    retries: int
    max_retries: int
    epoch: int
    attempts: tuple[int, ...] = ()  # the number of each error entry
    names: tuple[str, ...] = ()  # what each error entry is named
    codes: tuple[int, ...] = ()  # the HTTP status in each error entry, or 0
    result: Any = None
    key: str = ""  # its ordering_key
    place: float = 0.0  # its ordering_at


@attrs.define(kw_only=True)
class Limit:
    """What a backend's configuration allows the fleet."""

    path: str
    rate: float = inf  # requests a second
    burst: float = inf
    at_once: float = inf  # requests under way


@attrs.define(kw_only=True)
class History:
    """Everything that was seen."""

    enqueues: list[Enqueue] = attrs.field(factory=list)
    requests: list[Request] = attrs.field(factory=list)
    reports: list[Report] = attrs.field(factory=list)
    disturbances: list[Disturbance] = attrs.field(factory=list)
    retries: list[Retry] = attrs.field(factory=list)
    pauses: list[Pause] = attrs.field(factory=list)
    reschedules: list[Reschedule] = attrs.field(factory=list)
    moves: list[Move] = attrs.field(factory=list)  # empty where the database can't record them
    rows: list[Row] = attrs.field(factory=list)
    limits: list[Limit] = attrs.field(factory=list)
    timeout: float = 2.0  # seconds that an attempt may take

    @property
    def lease(self) -> float:
        """Seconds for which a claim is its runner's."""
        return self.timeout + 30.0

    def by_number(self) -> Mapping[int, list[Request]]:
        """Each job's requests, in order."""
        requests: dict[int, list[Request]] = {}
        for request in sorted(self.requests, key=lambda sent: sent.at):
            requests.setdefault(request.n, []).append(request)
        return requests


def write_history(history: History, folder: Path) -> None:
    """A file for each kind of record, one a line, for whoever wants to know what happened."""
    write_records(
        folder, **attrs.asdict(history, recurse=False, filter=lambda _, value: isinstance(value, list))
    )


def write_records(folder: Path, **kinds: Iterable[Any]) -> None:
    """A file for each of these kinds."""
    for name, records in kinds.items():
        (folder / f"{name}.jsonl").write_text(_lines(records))


def _lines(records: Iterable[Any]) -> str:
    return "".join(json.dumps(attrs.asdict(record)) + "\n" for record in records)
