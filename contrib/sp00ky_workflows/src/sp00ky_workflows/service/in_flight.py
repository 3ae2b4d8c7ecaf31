"""Find workflows in flight that can't go on here: steps that no document has, and what is held up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sp00ky_core.ports import ExtensionTransaction, Finding, Gauge, Is
from sp00ky_workflows.calls import problem_of
from sp00ky_workflows.model.graph import StepStatus, read_step
from sp00ky_workflows.tables import STEPS, WORKFLOWS

__all__ = ["HELD_FOR", "in_flight", "metrics"]

HELD_FOR = timedelta(minutes=10)
"""How long a workflow is held up until it is a problem: a deploy takes some minutes."""
MOST_READ = 10_000
"""Steps that wait and are looked at."""

MOST_NAMED = 100
"""Workflows that are held up and counted."""


async def in_flight(tx: ExtensionTransaction, backends: Mapping[str, Any]) -> list[Finding]:
    """Return what is to be said of workflows that run, before a deploy and after it."""
    return [*await _unknown(tx, backends), *await _held(tx)]


async def _unknown(tx: ExtensionTransaction, backends: Mapping[str, Any]) -> list[Finding]:
    """Count the workflows that wait for operations which no document here has."""
    where = [Is("status", "=", StepStatus.WAITING)]
    rows = await tx.select(STEPS, where, limit=MOST_READ, columns=("workflow_id", "definition"))
    waiting: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        step = read_step(row["definition"])
        if problem_of(step, backends):
            waiting[step.backend, step.path].add(row["workflow_id"])
    found = list[Finding]()
    for (backend, path), workflows in sorted(waiting.items()):
        one = len(workflows) == 1
        said = f"{len(workflows)} workflow{'' if one else 's'} in flight {'has' if one else 'have'} a step"
        problem = f"{said} {path!r:.80} of backend {backend!r:.80}, which no document here has"
        fix = "let them end before this is deployed, or keep the operation until they have"
        found.append(Finding.warning("workflows", problem, "they wait for a runner that knows it", fix))
    return found


async def metrics(tx: ExtensionTransaction) -> list[Gauge]:
    """Count the workflows that don't move."""
    where = [Is("held_since", "!=", None), Is("held_since", "<", tx.now - HELD_FOR)]
    count = len(await tx.select(WORKFLOWS, where, limit=MOST_READ, columns=("id",)))
    text = "Workflows that have been held up for over 10 minutes."
    return [Gauge(name="sp00ky_workflows_held", text=text, values={"": count})]


async def _held(tx: ExtensionTransaction) -> list[Finding]:
    """Name what has been held up for longer than a deploy takes."""
    where = [Is("held_since", "!=", None), Is("held_since", "<", tx.now - HELD_FOR)]
    rows = await tx.select(
        WORKFLOWS, where, order=("held_since",), limit=MOST_NAMED, columns=("id", "name", "held")
    )
    if not rows:
        return []
    first, count = rows[0], len(rows)
    more = f", and {'99+' if count == MOST_NAMED else count - 1} more" if count > 1 else ""
    problem = f"{first['name']} ({first['id']}){more} held up for over 10 minutes: {first['held']}"
    fix = "`sp00ky workflows list` names each; deploy what is missing, or kill it"
    return [Finding.warning("workflows", problem, "nothing goes on in it", fix)]
