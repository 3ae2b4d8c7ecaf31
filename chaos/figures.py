"""A session's figures: how much was broken, how often a job was sent twice, how soon it went on. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

import attrs

from chaos.backend import WELL
from chaos.checker import lost, repeated
from chaos.faults import FAULTS
from chaos.history import COMMITTED, EVERYBODY, ROLLED_BACK, UNKNOWN, Disturbance, History, Move

__all__ = ["Figures", "KindFigures", "figures_of", "given_back_after", "claims_again_after", "summary"]

FULL = "/wild"
"""What the jobs that fill slots ask for."""

SETTLED_DOWN = 10.0
"""Seconds without another fault that a runner needs before it may judge others."""


@attrs.frozen(kw_only=True)
class KindFigures:
    """One kind of fault."""

    kind: str
    count: int
    repeated: int  # requests of jobs that had been answered, while or soon after it was the last to begin
    recovery: Sequence[float]  # seconds


@attrs.frozen(kw_only=True)
class Figures:
    """A whole session."""

    committed: int
    rolled_back: int
    unknown: int  # enqueues whose reply was lost
    requests: int
    repeated: int
    lost: int
    kinds: Sequence[KindFigures]
    answers: Sequence[KindFigures] = ()  # what the backend did wrong; recovery: until the job is sent again


def figures_of(history: History) -> Figures:
    """Count everything."""
    fates = Counter(enqueue.fate for enqueue in history.enqueues)
    causes = Counter(_cause(history, again.at) for _, again in repeated(history))
    by_kind: dict[str, list[Disturbance]] = defaultdict(list)
    for disturbance in history.disturbances:
        by_kind[disturbance.kind].append(disturbance)
    return Figures(
        committed=fates[COMMITTED],
        rolled_back=fates[ROLLED_BACK],
        unknown=fates[UNKNOWN],
        requests=len(history.requests),
        repeated=sum(causes.values()),
        lost=len(lost(history)),
        kinds=[
            KindFigures(
                kind=kind,
                count=len(by_kind[kind]),
                repeated=causes[kind],
                recovery=[
                    seconds
                    for disturbance in by_kind[kind]
                    if (seconds := RECOVERIES[kind](history, disturbance)) is not None
                ],
            )
            for kind in FAULTS
            if by_kind[kind]
        ],
        answers=_answers(history),
    )


def _answers(history: History) -> list[KindFigures]:
    """What the backend did wrong, and how long each job then waited for its next attempt."""
    delays: dict[str, list[float]] = defaultdict(list)
    again: Counter[str] = Counter()
    counts = Counter(request.behaviour for request in history.requests if request.behaviour)
    for requests in history.by_number().values():
        for failed, following in pairwise(requests):
            delays[failed.behaviour].append(following.at - failed.at)
    for failed, _ in repeated(history):
        again[failed.behaviour] += 1
    return [
        KindFigures(kind=kind, count=counts[kind], repeated=again[kind], recovery=delays[kind])
        for kind in sorted(counts.keys() - WELL)
    ]


def _cause(history: History, at: float) -> str:
    """The latest fault that excuses a repetition and began before an instant."""
    before = [
        disturbance for disturbance in history.disturbances if disturbance.since <= at and disturbance.excuses
    ]
    return max(before, key=lambda disturbance: disturbance.since).kind if before else ""


def given_back_after(history: History, fault: Disturbance) -> float | None:
    """Seconds from the fault until all that its runner held was given back; None if it held nothing.

    Nor does it count where other runners or the database were broken too, less than 10 s before.
    """
    if not history.moves:
        return settles_again_after(history, fault)
    instants = [
        ended.at
        for claimed, ended in _claims(history.moves)
        if claimed.at <= fault.since < ended.at
        and claimed.runner == fault.runner
        and ended.epoch_after > ended.epoch_before
    ]
    if not instants or _others_broken(history, fault, max(instants)):
        return None
    return max(instants) - fault.since


def claims_again_after(history: History, fault: Disturbance) -> float | None:
    """Seconds from the fault's end until each runner that nothing else broke has claimed again."""
    if not history.moves:
        return settles_again_after(history, fault)
    claims = [move for move in history.moves if move.after == "processing" and move.runner]
    delays = []
    for runner in {claim.runner for claim in claims if fault.since - SETTLED_DOWN <= claim.at <= fault.since}:
        after = [claim.at for claim in claims if claim.runner == runner and claim.at > fault.until]
        if after and runner is not None and not _broken(history, runner, fault, min(after)):
            delays.append(min(after) - fault.until)
    return max(delays, default=None)


def ended_after(history: History, fault: Disturbance) -> float | None:
    """How many seconds it took."""
    return fault.until - fault.since


def settles_again_after(history: History, fault: Disturbance) -> float | None:
    """Seconds from the fault's end until a job is settled: all that can be seen of an embedded database."""
    settled = [report.at for report in history.reports if report.at > fault.until]
    return min(settled, default=fault.until) - fault.until if settled else None


def places_again_after(history: History, fault: Disturbance) -> float | None:
    """Seconds from the fault's end until a job is sent that was enqueued for the same backend after it."""
    later = {
        enqueue.n for enqueue in history.enqueues if enqueue.at > fault.until and enqueue.fate == COMMITTED
    }
    sent = [request.at for request in history.requests if request.n in later and request.path == FULL]
    return min(sent) - fault.until if sent else None


RECOVERIES: Mapping[str, Callable[[History, Disturbance], float | None]] = {
    "kill -9": given_back_after,
    "freeze": given_back_after,
    "partition": given_back_after,
    "deploy": ended_after,
    "database restart": claims_again_after,
    "disk full": claims_again_after,
    "connections cut": claims_again_after,
    "failover": claims_again_after,
    "reply lost": claims_again_after,
    "slots full": places_again_after,
}


def _claims(moves: Sequence[Move]) -> Iterator[tuple[Move, Move]]:
    """Each claim of a job, and what ended it."""
    claimed: dict[str, Move] = {}
    for move in moves:
        if move.before == "processing" and move.job_id in claimed:
            yield claimed.pop(move.job_id), move
        if move.after == "processing":
            claimed[move.job_id] = move


def _others_broken(history: History, fault: Disturbance, until: float) -> bool:
    since = fault.since - SETTLED_DOWN
    return any(
        disturbance is not fault
        and disturbance.excuses
        and disturbance.since <= until
        and disturbance.until >= since
        for disturbance in history.disturbances
    )


def _broken(history: History, runner: str, by_more_than: Disturbance, until: float) -> bool:
    """Whether something else breaks a runner between a fault's end and an instant."""
    return any(
        disturbance is not by_more_than
        and disturbance.runner in {runner, EVERYBODY}
        and disturbance.since <= until
        and disturbance.until >= by_more_than.until
        for disturbance in history.disturbances
        if disturbance.excuses or disturbance.kind == "deploy"
    )


def summary(seconds: Sequence[float]) -> str:
    """Their median and the most."""
    return f"{median(seconds):.1f} / {max(seconds):.1f}" if seconds else "-"
