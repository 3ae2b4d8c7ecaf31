"""What the database recorded of each row's changes, and what runners said that they had written. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.history import History, Move

__all__ = ["illegal_moves", "unfounded_reports"]

LEGAL = frozenset(
    {
        ("pending", "processing", 1),  # claimed
        ("processing", "success", 0),  # delivered
        ("processing", "pending", 0),  # to be retried, or released
        ("processing", "failed", 0),
        ("processing", "pending", 1),  # reclaimed
        ("processing", "failed", 1),
        ("failed", "pending", 1),  # redriven
    }
)
"""From, to, and by how much the epoch grows."""


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


def unfounded_reports(history: History) -> Iterator[str]:
    """What a runner says it has written was written, under its epoch, and by nobody else."""
    claims = Counter((each.job_id, each.epoch) for each in history.reports)
    for (job_id, epoch), count in claims.items():
        if count > 1:
            yield f"{job_id}: {count} runners say that they have settled epoch {epoch}"
    if not history.moves:
        return
    written = {
        (move.job_id, move.epoch_before, move.after)
        for move in history.moves
        if move.before == "processing" and move.epoch_after == move.epoch_before
    }
    for report in history.reports:
        if (report.job_id, report.epoch, report.to) not in written:
            yield f"{report.runner}: {report.job_id} is {report.to} by epoch {report.epoch}, which it isn't"


def _epochs(move: Move) -> str:
    return f"{move.epoch_before} -> {move.epoch_after}"
