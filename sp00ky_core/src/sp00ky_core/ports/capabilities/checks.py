"""Promise to find what is wrong with the tables, and statements that grant privileges."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from sp00ky_core.ports.findings import Finding


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
