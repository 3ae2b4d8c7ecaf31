"""What rows say of attempts in vain: how many there were, and what each came to. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import attrs

from chaos.excuses import forgotten_claims, is_broken
from chaos.history import History, Request, Retry, Row
from chaos.project import GIVEN_UP_ON

__all__ = [
    "each_failure_is_told",
    "each_failure_is_told_as_it_was",
    "retries_are_used",
    "retries_of",
    "is_throttled",
]

KEPT = 50
"""Error entries that a row keeps: the first, and the latest 49."""

UNKNOWN, TIMEOUT, CONNECT, STATUS = "outcome_unknown", "timeout", "connect", "http_status"
THROTTLED = "throttled"

NAMES: Mapping[str, str] = {"reset": "reset", "garbage": "protocol"}
"""What a behaviour of the backend is called that is neither an answer nor a silence."""


def each_failure_is_told(history: History) -> Iterator[str]:
    """One error entry per failed attempt, numbered from 1 again after `jobs retry`; at most 50 are kept."""
    requests = history.by_number()
    retries = retries_of(history.retries)
    for row in history.rows:
        failed = row.retries + (row.status == "failed")
        runs = _runs(_told(_counted(row)))
        if len(row.attempts) > KEPT or runs is None or len(runs) - 1 > len(retries.get(row.n, [])):
            yield f"job {row.n} has the error entries {row.attempts}"
        elif (runs[-1] if runs else 0) != failed and not _retried_since(row, runs, retries):
            yield f"job {row.n} is {row.status} after {row.retries} retries with {row.attempts} as errors"
        in_vain = _in_vain(row, requests.get(row.n, []))
        sharing = sum(before.status == request.status == 429 for before, request in pairwise(in_vain))
        epochs, count = {request.epoch for request in in_vain}, len(_counted(row).attempts)
        if len(row.attempts) < KEPT and len(epochs) - sharing > count:
            yield f"job {row.n} made {len(epochs)} requests in vain and has {count} errors"


def each_failure_is_told_as_it_was(history: History) -> Iterator[str]:
    """Each entry is named for what the backend did to its request; who says it is unknown was broken.

    An attempt whose request never arrived is unknown, or had no connection or no answer in time: a runner may
    be frozen, and the machine busy. Not looked at where entries were dropped, or a claim was forgotten.
    """
    requests = history.by_number()
    forgotten = {job_id for job_id, _ in forgotten_claims(history)}
    for row in history.rows:
        if len(row.attempts) >= KEPT or row.job_id in forgotten:
            continue
        told = _counted(row)
        entries = list(zip(told.names, told.codes, strict=True))
        if not _Account(history, _in_vain(row, requests.get(row.n, []))).fits(entries):
            yield f"job {row.n} has the errors {entries}, which isn't what happened to its requests"


def retries_are_used(history: History) -> Iterator[str]:
    """A job fails with no retry left, or for an answer that is given up on."""
    for row in history.rows:
        if row.retries > row.max_retries:
            yield f"job {row.n} was retried {row.retries} times and allows {row.max_retries}"
        elif row.status == "failed" and row.retries < row.max_retries and not _is_given_up(row):
            yield f"job {row.n} failed after {row.retries} of {row.max_retries} retries: {row.names[-1:]}"


def retries_of(retries: Iterable[Retry]) -> Mapping[int, list[float]]:
    """When each job was retried."""
    instants: dict[int, list[float]] = {}
    for retry in retries:
        instants.setdefault(retry.n, []).append(retry.at)
    return instants


def _is_given_up(row: Row) -> bool:
    return row.names[-1:] == (STATUS,) and row.codes[-1] in GIVEN_UP_ON


def is_throttled(row: Row, request: Request) -> bool:
    """Whether a request uses up no retry, and shares its entry with those like it."""
    return request.status == 429 and row.max_retries > 0


def _counted(row: Row) -> Row:
    """The row without the entries of requests that used up no retry."""
    if row.max_retries == 0 or THROTTLED not in row.names:
        return row
    entries = zip(row.attempts, row.names, row.codes, strict=True)
    kept = [entry for entry in entries if entry[1] != THROTTLED]
    attempts, names, codes = zip(*kept, strict=True) if kept else ((), (), ())
    return attrs.evolve(row, attempts=attempts, names=names, codes=codes)


def _in_vain(row: Row, requests: Iterable[Request]) -> list[Request]:
    """Requests that must have an entry of their own, in the order of their claims."""
    succeeded = row.epoch if row.status == "success" else None
    found = (request for request in requests if request.epoch != succeeded and not is_throttled(row, request))
    return sorted(found, key=lambda request: request.epoch)


@attrs.frozen
class _Account:
    """What happened to requests, to be compared with what is told."""

    history: History
    requests: Sequence[Request]

    def fits(self, entries: Iterable[tuple[str, int]]) -> bool:
        """Whether each request has its entry, in order, and the other entries are of none that arrived."""
        counts = {0}  # of requests that the entries so far may be about
        for name, code in entries:
            told = self._told_by(counts, name, code)
            further = told if name == THROTTLED else set()
            while further:  # which a retry has made, share the entry
                further = self._told_by(further, name, code)
                told = told | further
            counts = told | (counts if self._may_never_have_arrived(name) else set())
        return len(self.requests) in counts

    def _told_by(self, counts: set[int], name: str, code: int) -> set[int]:
        return {count + 1 for count in counts if self._is_entry_of(count, name, code)}

    def _may_never_have_arrived(self, name: str) -> bool:
        return name in {TIMEOUT, CONNECT} or (name == UNKNOWN and bool(self.history.disturbances))

    def _is_entry_of(self, index: int, name: str, code: int) -> bool:
        if index == len(self.requests):
            return False
        request = self.requests[index]
        if name in {STATUS, THROTTLED}:
            return code == request.status and not request.is_delivered
        if name == UNKNOWN:
            return self._is_broken(request)
        if name == TIMEOUT:
            return not request.certain or self._is_broken(request)
        return name == NAMES.get(request.behaviour)

    def _is_broken(self, request: Request) -> bool:
        return is_broken(self.history, request.runner, request.begun, request.begun + self.history.lease)


def _told(row: Row) -> tuple[int, ...]:
    """The numbers of the entries; where some were dropped after the first, as if they were there."""
    first, *latest = row.attempts or (0,)
    if len(row.attempts) != KEPT or not latest or first != 1:
        return row.attempts
    return (*range(1, latest[0]), *latest)


def _runs(attempts: Iterable[int]) -> list[int] | None:
    """How long each sequence that starts at 1 is; None if there is another sequence."""
    runs: list[int] = []
    for attempt in attempts:
        if attempt == 1:
            runs.append(1)
        elif runs and attempt == runs[-1] + 1:
            runs[-1] = attempt
        else:
            return None
    return runs


def _retried_since(row: Row, runs: list[int], retries: Mapping[int, list[float]]) -> bool:
    """Whether it succeeded at once after a retry: its errors are those of before."""
    return row.retries == 0 and row.status == "success" and len(runs) <= len(retries.get(row.n, []))
