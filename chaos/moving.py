"""What the database recorded of each row's changes, and what runners said that they had written. Pure."""

from collections import Counter
from collections.abc import Iterator

from chaos.excuses import forgotten_claims, is_broken_itself, may_look_dead, may_not_say
from chaos.history import History, Move, Request

__all__ = [
    "illegal_moves",
    "unfounded_reports",
    "the_last_move_is_the_end",
    "writes_are_reported",
    "writes_follow_answers",
    "only_the_broken_are_reclaimed",
]

LEGAL = frozenset(
    {
        ("pending", "processing", 1),  # claimed
        ("processing", "success", 0),  # delivered
        ("processing", "pending", 0),  # to be retried, or released
        ("processing", "failed", 0),
        ("processing", "pending", 1),  # reclaimed
        ("processing", "failed", 1),
        ("failed", "pending", 1),  # retried
    }
)
"""From, to, and by how much the epoch grows."""

SKEW = 0.1
"""Seconds between two readings of one machine's clock, the database's and the backend's, at most."""


def illegal_moves(history: History) -> Iterator[str]:
    """Each change of a row is one that the state machine has, from where the one before it led."""
    last: dict[str, tuple[str, int]] = {}
    for move in history.moves:
        key = (move.before, move.after, move.epoch_after - move.epoch_before)
        if key not in LEGAL:
            yield f"{move.job_id} went from {move.before} to {move.after} with the epoch {_epochs(move)}"
        if last.get(move.job_id, (move.before, move.epoch_before)) != (move.before, move.epoch_before):
            yield f"{move.job_id} changed without a record, before it went to {move.after} {_epochs(move)}"
        last[move.job_id] = (move.after, move.epoch_after)


def the_last_move_is_the_end(history: History) -> Iterator[str]:
    """A row is what the last recorded change has made of it."""
    if not history.moves:
        return
    last = {move.job_id: (move.after, move.epoch_after) for move in history.moves}
    for row in history.rows:
        if (row.status, row.epoch) != last.get(row.job_id, ("pending", 0)):
            yield f"job {row.n} is {row.status} in epoch {row.epoch}, and was {last.get(row.job_id)} last"


def unfounded_reports(history: History) -> Iterator[str]:
    """What a runner says it has written was written, under its epoch, and by nobody else."""
    forgotten = forgotten_claims(history)
    reports = [report for report in history.reports if (report.job_id, report.epoch) not in forgotten]
    claims = Counter((report.job_id, report.epoch) for report in reports)
    for (job_id, epoch), count in claims.items():
        if count > 1:
            yield f"{job_id}: {count} runners say that they have settled epoch {epoch}"
    if not history.moves:
        return
    written = {(move.job_id, move.epoch_before, move.after) for move in history.moves if _is_write(move)}
    for report in reports:
        if (report.job_id, report.epoch, report.to) not in written:
            yield f"{report.runner}: {report.job_id} is {report.to} by epoch {report.epoch}, which it isn't"


def writes_are_reported(history: History) -> Iterator[str]:
    """Whoever writes how a request ended says so, unless it was killed, or can't know by then."""
    reported = {(report.job_id, report.epoch, report.to) for report in history.reports}
    for move, request in _writes(history):
        if request is None or (move.job_id, move.epoch_before, move.after) in reported:
            continue
        if not may_not_say(history, move.runner or "", move.after, move.at):
            yield f"{move.job_id} went to {move.after} in epoch {move.epoch_before}, and nobody says so"


def writes_follow_answers(history: History) -> Iterator[str]:
    """How a request ended is written by its own runner, when it has been answered, given up or cut off."""
    for move, request in _writes(history):
        if request is None:
            continue
        if move.runner != request.runner:
            yield f"{move.job_id} was sent by {request.runner} and went to {move.after} by {move.runner}"
        elif _waits(history, request, move.at + SKEW):
            yield f"{move.job_id} went to {move.after} before request {request.number} was answered"


def only_the_broken_are_reclaimed(history: History) -> Iterator[str]:
    """A claim is ended for its runner only where that one was broken, told to end, or lost a reply meanwhile.

    A database that was away is no reason: nobody is dead for that.
    """
    claimed: dict[str, float] = {}
    for move in history.moves:
        if move.after == "processing":
            claimed[move.job_id] = move.at
        since = claimed.get(move.job_id, 0.0)
        if _is_reclaim(move) and not may_look_dead(history, move.runner or "", since, move.at):
            yield f"{move.job_id} was taken from {move.runner}, which nothing had broken: {_epochs(move)}"


def _writes(history: History) -> Iterator[tuple[Move, Request | None]]:
    """Each change by a claim's own epoch, and the claim's request; without one it may be a release."""
    numbers = {row.job_id: row.n for row in history.rows}
    requests = {(request.n, request.epoch): request for request in history.requests}
    for move in filter(_is_write, history.moves):
        yield move, requests.get((numbers.get(move.job_id, 0), move.epoch_before))


def _waits(history: History, request: Request, at: float) -> bool:
    """Whether a request's runner still waits for its answer."""
    is_over = request.answered_at <= at or request.begun + history.timeout <= at
    return not is_over and not is_broken_itself(history, request.runner, request.begun, at)


def _is_write(move: Move) -> bool:
    return move.before == "processing" and move.epoch_after == move.epoch_before


def _is_reclaim(move: Move) -> bool:
    return move.before == "processing" and move.epoch_after > move.epoch_before


def _epochs(move: Move) -> str:
    return f"{move.epoch_before} -> {move.epoch_after}"
