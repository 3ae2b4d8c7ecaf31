"""Promise that operators can keep every runner from a backend."""

from __future__ import annotations

from typing import Protocol, Unpack

from sp00ky_core.ports.operators import ActOptions


class Pauses(Protocol):
    """A store with ``capabilities.pauses``. Without it ``pause`` and ``resume`` raise ``CallUnsupported``.

    A claim takes nothing of a backend that an operator has paused, no probe either; ``Claim.paused`` says so.
    """

    async def pause(self, backend: str, *, seconds: float | None = None, **act: Unpack[ActOptions]) -> bool:
        """Keep every later claim, of every process, from a backend; whether it wasn't paused before.

        It ends after ``seconds``, or else with ``resume``. A pause of what is paused takes its place, but
        for ``since``. Makes ``work_signal`` fire as new work does.
        """

    async def resume(self, backend: str) -> bool:
        """End a pause; whether there was one. Makes ``work_signal`` fire as new work does."""
