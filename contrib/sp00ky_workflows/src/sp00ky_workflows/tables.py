"""Declare the tables: workflows with their steps, batches with their jobs."""

from __future__ import annotations

from uuid import UUID, uuid5

from sp00ky_core.ports import Column, Default, Index, Kind, Table
from sp00ky_core.stores.ids import new_keys

__all__ = [
    "BATCHES",
    "MEMBERS",
    "PREFIX",
    "batch_id",
    "STEPS",
    "TABLES",
    "WORKFLOWS",
    "is_members",
    "is_steps",
]
__all__ += ["member_keys", "step_key"]

ID, STEP_NAME, JOB_ID, STATUS = 64, 128, 200, 20
"""Characters; a job's id begins with its table's name."""

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
    ),
    ("id",),
    (
        Index("status", ("status", "created_at")),
        Index("late", ("status", "deadline")),
        Index("named", ("name", "created_at")),
        Index("ended", ("status", "ended_at")),
    ),
    version=1,
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
    ),
    ("workflow_id", "name"),
    (
        Index("job", ("job_id",)),
        Index("open", ("status", "job_id")),
        Index("ready", ("status", "waits_for")),
    ),
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

MEMBERS = Table(
    "sp00ky_batch_member",
    (
        Column("job_id", Kind.TEXT, required=True, length=JOB_ID),
        Column("batch_id", Kind.TEXT, required=True, length=ID),
        Column("status", Kind.TEXT, "pending", required=True, length=STATUS),
    ),
    ("job_id",),
    (Index("batch", ("batch_id", "status", "job_id")),),
    version=1,
)

TABLES = (WORKFLOWS, STEPS, BATCHES, MEMBERS)

PREFIX = "wf_"
"""Of the keys of our jobs, where a database's keys are any text."""
_SPACE = UUID("0b5d9a52-6e0e-5c1a-9d51-6a5e4c0f7b10")
_VERSION = 12
"""Where the digit stands that says which version of UUID it is."""


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


def member_keys(count: int) -> list[UUID]:
    """Return what the ids of more jobs of a batch are made of; later ones are greater."""
    return [_marked(digits, _MEMBER) for digits in new_keys(count)]


def _mark(job_id: str) -> str:
    return job_id.replace("-", "")[-32:][_VERSION : _VERSION + 2]


def is_steps(job_id: str) -> bool:
    """Tell whether a job may be a step's: of others nothing is asked."""
    return _mark(job_id) == _STEP


def is_members(job_id: str) -> bool:
    """Tell whether a job may be a batch's."""
    return _mark(job_id) == _MEMBER
