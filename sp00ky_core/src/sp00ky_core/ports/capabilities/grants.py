"""Promise statements that grant privileges."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["Grants"]


@runtime_checkable
class Grants(Protocol):
    """Grant privileges: an ability beside ``Store``, where its database has roles."""

    def grants(self) -> list[str]:
        """Return statements that give three roles what they need: to enqueue, to run, to operate.

        Does no IO, so it works on a store that isn't open. The roles' names are for the reader to replace.
        """
