"""Declare the tables: workflows with their steps, batches with their jobs."""

from __future__ import annotations

import re
from uuid import UUID, uuid5

from sp00ky_core.ports import Column, Default, Index, Is, Kind, Table
from sp00ky_core.stores.ids import new_keys
from sp00ky_workflows.model.graph import StepStatus

__all__ = [
    "BATCHES",
    "ID",
    "PART",
    "PARTS",
    "PAUSED",
    "PREFIX",
    "READY",
    "SIGNALS",
    "STEPS",
    "TABLES",
    "WORKFLOWS",
    "batch_id",
    "is_members",
]
__all__ += ["is_steps", "jobs_of", "part_keys", "part_of", "step_key"]

ID, STEP_NAME, JOB_ID, STATUS = 64, 128, 200, 20
"""Characters; a job's id begins with its table's name."""
PART = 256
"""Jobs of a batch that one row stands for."""

WORKFLOWS = Table(
    "sp00ky_workflow",
    (
        Column("id", Kind.TEXT, required=True, length=ID),
        Column("name", Kind.TEXT, required=True, length=100),
        Column("definition", Kind.JSON),
        Column("input", Kind.JSON),
        Column("status", Kind.TEXT, "running", required=True, length=STATUS),
        Column("revision", Kind.INTEGER, 1, required=True),
        Column("failed_step", Kind.TEXT, length=STEP_NAME),
        Column("created_at", Kind.INSTANT, Default.NOW, required=True),
        Column("ended_at", Kind.INSTANT),
        Column("deadline", Kind.INSTANT),
        Column("schedule", Kind.TEXT, length=100),
        Column("key", Kind.TEXT, length=200),
        Column("documents", Kind.JSON),
        Column("held", Kind.TEXT, length=500),
        Column("held_since", Kind.INSTANT),
        Column("deadline_s", Kind.REAL),
    ),
    ("id",),
    (
        Index("status", ("status", "created_at")),
        Index("late", ("status", "deadline")),
        Index("named", ("name", "created_at")),
        Index("ended", ("status", "ended_at")),
        Index("held", ("held_since",), (Is("held_since", "!=", None),)),
    ),
    version=2,
)

STEPS = Table(
    "sp00ky_step",
    (
        Column("workflow_id", Kind.TEXT, required=True, length=ID),
        Column("name", Kind.TEXT, required=True, length=STEP_NAME),
        Column("job_id", Kind.TEXT, length=JOB_ID),
        Column("status", Kind.TEXT, "waiting", required=True, length=STATUS),
        Column("waits_for", Kind.INTEGER, 0, required=True),
        Column("result", Kind.JSON),
        Column("definition", Kind.JSON),
        Column("due_at", Kind.INSTANT),
    ),
    ("workflow_id", "name"),
    (
        Index("job", ("job_id",), (Is("job_id", "!=", None),)),
        Index("open", ("status", "job_id"), (Is("job_id", "!=", None),)),
        Index("ready", ("waits_for", "workflow_id"), (Is("status", "=", StepStatus.WAITING),)),
        Index("due", ("status", "due_at"), (Is("due_at", "!=", None),)),
    ),
    version=2,
)

SIGNALS = Table(
    "sp00ky_workflow_signal",
    (
        Column("workflow_id", Kind.TEXT, required=True, length=ID),
        Column("name", Kind.TEXT, required=True, length=STEP_NAME),
        Column("payload", Kind.JSON),
        Column("taken", Kind.INTEGER, 0, required=True),
        Column("created_at", Kind.INSTANT, Default.NOW, required=True),
    ),
    ("workflow_id", "name"),
    (Index("open", ("taken", "workflow_id")),),
    version=1,
)

BATCHES = Table(
    "sp00ky_batch",
    (
        Column("id", Kind.TEXT, required=True, length=ID),
        Column("name", Kind.TEXT, required=True, length=200),
        Column("size", Kind.INTEGER, 0, required=True),
        Column("closed", Kind.INTEGER, 0, required=True),
        Column("succeeded", Kind.INTEGER, 0, required=True),
        Column("failed", Kind.INTEGER, 0, required=True),
        Column("on_done", Kind.JSON),
        Column("on_failed", Kind.JSON),
        Column("created_at", Kind.INSTANT, Default.NOW, required=True),
        Column("ended_at", Kind.INSTANT),
    ),
    ("id",),
    (Index("created", ("created_at",)), Index("ended", ("closed", "ended_at"))),
    version=1,
)

PARTS = Table(
    "sp00ky_batch_part",
    (
        Column("id", Kind.TEXT, required=True, length=JOB_ID),
        Column("batch_id", Kind.TEXT, required=True, length=ID),
        Column("pending", Kind.TEXT, required=True, length=PART // 4),
        Column("failed", Kind.TEXT, "", required=True, length=PART // 4),
    ),
    ("id",),
    (Index("batch", ("batch_id", "id")),),
    version=1,
)
"""Up to 256 jobs of a batch, whose ids are the part's and two digits; bits of them, in hexadecimal."""

TABLES = (WORKFLOWS, STEPS, SIGNALS, BATCHES, PARTS)

READY = (Is("status", "=", StepStatus.WAITING), Is("waits_for", "=", 0))
"""What steps meet that can begin: one transaction begins some of many, and a runner those that it knows."""

PAUSED = (Is("status", "=", StepStatus.WAITING), Is("waits_for", "=", 1), Is("due_at", "!=", None))
"""What steps meet that wait for their time, or a signal, alone."""

PREFIX = "wf_"
"""Of the keys of our jobs, where a database's keys are any text."""
_SPACE = UUID("0b5d9a52-6e0e-5c1a-9d51-6a5e4c0f7b10")
_VERSION = 12
"""Where the digit stands that says which version of UUID it is."""
_DIGITS = re.compile("[0-9a-f]{32}")

_STEP, _MEMBER = "85", "8b"
"""What stands there in the keys of our jobs: the version, and whose it is."""


def _marked(digits: str, mark: str) -> UUID:
    return UUID(f"{digits[:_VERSION]}{mark}{digits[_VERSION + 2 :]}")


def batch_id(name: str) -> str:
    """Return the id of the batch of a name: there is one."""
    return uuid5(_SPACE, name).hex


def step_key(workflow_id: str, name: str, revision: int) -> UUID:
    """Return what the id of a step's job is made of: one job for each time that it is begun."""
    return _marked(uuid5(_SPACE, f"{workflow_id} {revision} {name}").hex, _STEP)


def part_keys(count: int) -> list[UUID]:
    """Return what the ids of the jobs of a new part of a batch are made of."""
    part = _marked(new_keys(1)[0], _MEMBER).hex[:-2]
    return [UUID(f"{part}{number:02x}") for number in range(count)]


def part_of(job_id: str) -> tuple[str, int]:
    """Return the part that a job of a batch belongs to, and its bit there."""
    return job_id[:-2], 1 << int(job_id[-2:], 16)


def jobs_of(part: str, bits: str) -> list[str]:
    """Return the jobs of a part whose bits are set."""
    return [f"{part}{number:02x}" for number in range(PART) if int(bits or "0", 16) >> number & 1]


def _has(mark: str, job_id: str) -> bool:
    digits = job_id.replace("-", "")[-32:]  # a client may choose any id, which the pattern looks at last
    return digits[_VERSION : _VERSION + 2] == mark and _DIGITS.fullmatch(digits) is not None


def is_steps(job_id: str) -> bool:
    """Tell whether a job may be a step's: of others nothing is asked."""
    return _has(_STEP, job_id)


def is_members(job_id: str) -> bool:
    """Tell whether a job may be a batch's."""
    return _has(_MEMBER, job_id)
