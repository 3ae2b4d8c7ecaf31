"""Operate on jobs by their ids, which may be shortened; print each job's fate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core.cli.context import Settings
from sp00ky_core.cli.errors import say
from sp00ky_core.cli.jobs.ids import beginning_with
from sp00ky_core.cli.terminal.output import show_json, show_rows
from sp00ky_core.errors import JobIdAmbiguous, JobNotFound
from sp00ky_core.operators.bulk import DONE, Action
from sp00ky_core.outbox import Outbox
from sp00ky_core.ports import JobQuery, OperatorFate, OperatorResult

AMBIGUOUS = "ambiguous"
"""What came of an id that was shortened too far."""

WHY = {
    OperatorFate.DUPLICATE: "another job with its dedup key hasn't ended",
    OperatorFate.CHANGED: "it kept changing meanwhile; try again",
}


@attrs.frozen
class _Row:
    """Report what came of one id; the complaint says why it wasn't done."""

    job_id: str
    result: str
    complaint: str | None = None


def operate_on_ids(
    settings: Settings, action: Action, job_ids: Sequence[str], *, json_wanted: bool, **options: Any
) -> int:
    """Do it to each job once, as one act, and print what was done, on stderr what wasn't; the exit code."""
    given = list(dict.fromkeys(job_ids))
    rows = settings.ask(lambda outbox: _operate(outbox, action, given, **options))
    if json_wanted:
        show_json({"results": [{"id": row.job_id, "result": row.result} for row in rows]})
    elif done := [(row.job_id, row.result) for row in rows if row.complaint is None]:
        show_rows(("id", "result"), done)
    complaints = [row.complaint for row in rows if row.complaint is not None]
    for complaint in complaints:
        say(complaint)
    return int(bool(complaints))


async def _operate(outbox: Outbox, action: Action, job_ids: Sequence[str], **options: Any) -> list[_Row]:
    candidates = await _candidates(outbox, job_ids)
    full = [each[0] for each in candidates.values() if len(each) == 1]
    operated: Sequence[OperatorResult] = await getattr(outbox, action.name)(*dict.fromkeys(full), **options)
    results = {each.job_id: _row(each) for each in operated}
    rows = (
        results[each[0]] if len(each) == 1 else _ambiguous(given, each) for given, each in candidates.items()
    )
    return list(dict.fromkeys(rows))


async def _candidates(outbox: Outbox, job_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids that each given one may stand for; itself where it is whole, or stands for none."""
    found = await outbox.jobs.find(JobQuery(ids=tuple(job_ids), limit=len(job_ids)))
    whole = {job.id for job in found}
    return {
        given: [given] if given in whole else await beginning_with(outbox, given) or [given]
        for given in job_ids
    }


def _ambiguous(given: str, candidates: Sequence[str]) -> _Row:
    return _Row(given, AMBIGUOUS, str(JobIdAmbiguous(job_id=given, candidates=tuple(candidates))))


def _row(result: OperatorResult) -> _Row:
    job_id, fate = result.job_id, result.fate
    if fate in DONE:
        return _Row(job_id, fate.value)
    if fate is OperatorFate.NOT_FOUND:
        return _Row(job_id, fate.value, str(JobNotFound(job_id=job_id)))
    return _Row(job_id, fate.value, result.problem or f"job {job_id}: {WHY.get(fate, fate.value)}")
