"""What the backend saw of pauses and reschedules: nothing meanwhile, nothing before its new time. Pure."""

from collections.abc import Iterator

from chaos.excuses import is_broken_itself
from chaos.history import History, Request

__all__ = ["nothing_begins_while_paused", "nothing_comes_before_its_new_time"]

ONE_CLAIM = 3.0
"""Seconds in which a runner that nothing breaks has claimed again, and given back what it hadn't begun."""


def nothing_begins_while_paused(history: History) -> Iterator[str]:
    """No attempt begins after a pause was acknowledged and each runner has claimed once, until the resume."""
    for pause in history.pauses:
        since = pause.since + ONE_CLAIM
        for request in history.requests:
            is_within = request.path == f"/{pause.backend}" and since <= request.begun < pause.until
            if is_within and not _held_up(history, request):
                yield f"request {request.number} of job {request.n} began while {pause.backend} was paused"


def nothing_comes_before_its_new_time(history: History) -> Iterator[str]:
    """What began after a job was rescheduled comes no earlier than it is due."""
    requests = history.by_number()
    for change in history.reschedules:
        for sent in requests.get(change.n, []):
            if change.done <= sent.begun and sent.at < change.due and not _held_up(history, sent):
                yield f"request {sent.number} of job {sent.n} came {change.due - sent.at:.1f} s too early"


def _held_up(history: History, request: Request) -> bool:
    """Whether a request's runner had been broken, and hasn't had the time for a claim since."""
    return is_broken_itself(history, request.runner, request.begun - ONE_CLAIM, request.at)
