"""Read ``workflows:`` of sp00ky.yml: the same keys, with the same meaning, as Sp00ky's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import attrs

from sp00ky_core.config.values import ReadProblem, duration
from sp00ky_core.config.values import deadline as deadline_of
from sp00ky_core.error_texts import nearest
from sp00ky_core.errors import Sp00kyError
from sp00ky_workflows.calls import call_of
from sp00ky_workflows.errors import WorkflowInvalid
from sp00ky_workflows.model.graph import Call, Graph, OnFailure, Step, checked
from sp00ky_workflows.model.pauses import sleeping, waiting

__all__ = ["FileWorkflow", "read_workflow"]

CLOCK = ("cron", "every", "timezone", "enabled")
OF_SCHEDULES = ("forEach", "concurrency", "quarantineAfter", "deadline")
KEYS = ("steps", "onFailure", "schedule", *CLOCK, *OF_SCHEDULES)
STEP_KEYS = ("backend", "route", "payload", "dependsOn", "retry", "timeout", "sleep", "waitFor")
PAUSES: Mapping[str, tuple[str, ...]] = {
    "sleep": ("sleep", "dependsOn"),
    "waitFor": ("waitFor", "timeout", "dependsOn"),
}
"""Keys of steps without a job, by the one that says which it is."""
RETRY_KEYS = ("max", "strategy")


@attrs.frozen(kw_only=True)
class FileWorkflow:
    """A workflow as the file has it.

    Attributes:
        graph: Its steps.
        deadline: Seconds from its start; None: it has none.
        schedule: What starts it, as ``schedules`` has it, without a backend; None: nothing does.
    """

    graph: Graph
    deadline: float | None = None
    schedule: Mapping[str, Any] | None = None


def read_workflow(name: str, raw: Any) -> FileWorkflow:
    """Read one workflow. Raises ``WorkflowInvalid``."""
    _check_keys(name, "", raw, KEYS)
    steps = raw.get("steps")
    if not isinstance(steps, Mapping):
        raise WorkflowInvalid(workflow=name, step="", problem="`steps` is no mapping of steps by their names")
    try:
        mode = OnFailure(raw.get("onFailure", OnFailure.HALT))
        deadline = duration(raw.get("deadline"))
    except ValueError as error:
        raise WorkflowInvalid(workflow=name, step="", problem=f"`onFailure` or `deadline`: {error}") from None
    graph = checked(name, [_step(name, str(step), keys) for step, keys in steps.items()], mode)
    return FileWorkflow(graph=graph, deadline=deadline or None, schedule=_schedule(name, raw))


def _schedule(name: str, raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what starts it: ``schedule`` has ``cron`` or ``every``, or the workflow itself has."""
    given = raw.get("schedule", {})
    given = {"cron": given} if isinstance(given, str) else given
    _check_keys(name, "", given, CLOCK)
    clock = {**{key: raw[key] for key in CLOCK if key in raw}, **given}
    beside = {key: raw[key] for key in OF_SCHEDULES if key in raw}
    if not clock and (unused := ", ".join(beside.keys() - {"deadline"})):
        problem = f"{unused}: nothing starts it by the clock; give it a `schedule`"
        raise WorkflowInvalid(workflow=name, step="", problem=problem)
    return {**clock, **beside} if clock else None


def _check_keys(workflow: str, step: str, raw: Any, known: Collection[str]) -> None:
    if not isinstance(raw, Mapping):
        raise WorkflowInvalid(workflow=workflow, step=step, problem="it is no mapping of keys")
    for key in raw:
        if key not in known:
            problem = f"unknown key {str(key)!r:.80}; {nearest(str(key), known)}"
            raise WorkflowInvalid(workflow=workflow, step=step, problem=problem)


def _step(workflow: str, name: str, raw: Any) -> Step:
    _check_keys(workflow, name, raw, STEP_KEYS)
    _check_keys(workflow, name, raw.get("retry", {}), RETRY_KEYS)
    after = raw.get("dependsOn", ())
    for key in PAUSES.keys() & raw.keys():
        _check_keys(workflow, name, raw, PAUSES[key])
    try:
        call = _pause(raw) or call_of(raw.get("backend"), raw.get("route"), raw.get("payload"), _options(raw))
    except (Sp00kyError, ReadProblem, TypeError, ValueError, OverflowError) as error:
        raise WorkflowInvalid(workflow=workflow, step=name, problem=str(error)) from None
    names = (after,) if isinstance(after, str) else tuple(after)
    return Step(**attrs.asdict(call, recurse=False), name=name, after=names)


def _pause(raw: Mapping[str, Any]) -> Call | None:
    """Return what a step without a job does; None: it has one."""
    if "sleep" in raw:
        return sleeping(timedelta(seconds=duration(raw["sleep"]) or 0))
    if "waitFor" not in raw:
        return None
    timeout = deadline_of(raw.get("timeout"))
    return waiting(str(raw["waitFor"]), timedelta(seconds=timeout) if timeout else None)


def _options(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job's options; ``retry.max`` counts the first attempt too, as Sp00ky does."""
    retry, options = raw.get("retry", {}), dict[str, Any]()
    if "max" in retry:
        options["max_retries"] = max(retry["max"] - 1, 0)
    if "strategy" in retry:
        options["retry_strategy"] = retry["strategy"]
    return options | ({"timeout": duration(raw["timeout"])} if "timeout" in raw else {})
