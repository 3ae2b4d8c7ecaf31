"""Carry what ``check`` finds and ``migrate`` does, and the privileges that a role needs."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import attrs

__all__ = ["Finding", "MigrationStep"]


@attrs.frozen(kw_only=True)
class Finding:
    """Something about the database that ``check`` has to say.

    Attributes:
        stops_jobs: Else it is a warning.
        subject: A table, a field, an index.
        problem: What is wrong, in words.
        consequence: What follows from it.
        fix: What to do about it.
    """

    stops_jobs: bool
    subject: str
    problem: str
    consequence: str
    fix: str

    @classmethod
    def stopping(cls, subject: str, problem: str, consequence: str, fix: str) -> Self:
        """Report what keeps jobs from being made or delivered."""
        return cls(stops_jobs=True, subject=subject, problem=problem, consequence=consequence, fix=fix)

    @classmethod
    def warning(cls, subject: str, problem: str, consequence: str, fix: str) -> Self:
        """Report a weakness that jobs are delivered with."""
        return cls(stops_jobs=False, subject=subject, problem=problem, consequence=consequence, fix=fix)


@attrs.frozen(kw_only=True)
class MigrationStep:
    """One statement of a migration, and why it is there.

    Attributes:
        table: The table.
        statement: The statement, in the database's language.
        why: Why it is needed, in words.
        creates_table: A missing job table; else something is added or repaired.
        without: What follows as long as it isn't made.
        stops_jobs: No job is made or delivered until then.
    """

    table: str
    statement: str
    why: str
    creates_table: bool = False
    without: str = "calls fail"
    stops_jobs: bool = True


class Checks(Protocol):
    """A store with ``capabilities.checks``. Without it what ``migration`` would do is all that is found."""

    async def check(self) -> list[Finding]:
        """Find what is wrong with the tables, each finding with its consequence and its fix."""


@runtime_checkable
class Grants(Protocol):
    """Grant privileges: an ability beside ``Store``, where its database has roles."""

    def grants(self) -> list[str]:
        """Return statements that give three roles what they need: to enqueue, to run, to operate.

        Does no IO, so it works on a store that isn't open. The roles' names are for the reader to replace.
        """
