"""What it means for jobs that the database refuses what was tried: a finding for each refusal."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from sp00ky_core.ports import Finding
from sp00ky_store_surreal.errors import FUNCTIONS, needs_function
from sp00ky_store_surreal.trial import Refusal, Tried

__all__ = ["finding_of"]


@attrs.frozen(kw_only=True)
class _Meaning:
    stops_jobs: bool = False
    subject: str = "{table}"
    problem: str
    consequence: str
    mend: str = "allow it in the field's definition (see docs/row-contract.md for what runners write)"


_MEANINGS: Mapping[Tried, _Meaning] = {
    Tried.FUNCTIONS: _Meaning(
        stops_jobs=True,
        subject="functions",
        problem="{reason}",
        consequence="jobs can't be made or delivered",
        mend=f"start the server with --allow-funcs {FUNCTIONS}, and with what your own definitions call",
    ),
    Tried.RIGHTS: _Meaning(
        stops_jobs=True,
        subject="user",
        problem="whoever signs in here may not write ({reason})",
        consequence="jobs can't be made or delivered",
        mend="sign in as a user with ROLES EDITOR",
    ),
    Tried.READ: _Meaning(
        stops_jobs=True,
        problem="a row can't be read, {reason}",
        consequence="no claim gets its jobs, or only some, as long as the row is there",
        mend="let the field fail for no row, or delete the row",
    ),
    Tried.NEW: _Meaning(
        problem="it refuses a job that says nothing of its own fields: {reason}",
        consequence="outbox.run() and sp00ky call can't make jobs, nor can clients that write no more",
        mend="give what is refused a default, or let it be absent; "
        "nothing is wrong where every job is made by who meets it",
    ),
    Tried.KEPT: _Meaning(
        stops_jobs=True,
        problem="it keeps no row",
        consequence="its jobs are lost as they are made",
        mend="define it without DROP",
    ),
    Tried.CHANGE: _Meaning(
        stops_jobs=True,
        problem="it refuses what a runner writes: {reason}",
        consequence="its jobs aren't delivered, or their end isn't kept",
    ),
    Tried.RESULT: _Meaning(
        subject="{table}.result",
        problem="it refuses what a backend answers: {reason}",
        consequence="its jobs are delivered, and their answers aren't kept",
    ),
    Tried.ENTRY: _Meaning(
        subject="{table}.errors",
        problem="it refuses an entry: {reason}",
        consequence="why an attempt failed isn't kept on the row",
    ),
    Tried.REDRIVE: _Meaning(
        problem="it refuses a failed job's way back to pending: {reason}",
        consequence="sp00ky jobs retry redrives none of its jobs",
    ),
}


def finding_of(table: str, refusal: Refusal) -> Finding:
    """What ``check`` says of it; ``table`` is the one that was tried."""
    told = _MEANINGS[refusal.tried]
    return Finding(
        # What isn't allowed on a server is allowed to nobody's row.
        stops_jobs=told.stops_jobs or needs_function(refusal.reason),
        subject=told.subject.replace("{table}", table),
        problem=told.problem.replace("{reason}", refusal.reason),
        consequence=told.consequence,
        mend=told.mend,
    )
