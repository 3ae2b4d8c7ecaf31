"""Share schedules out among the runners, so that two rarely decide on one; no promise rests on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sp00ky_core.ports import StoredSchedule

__all__ = ["Place", "everything", "share"]

Place = Callable[[str], tuple[int, int]]
"""Where a runner stands among those that serve a backend, by the backend's name, and how many these are."""


def share(schedules: Mapping[str, StoredSchedule], place: Place) -> set[str]:
    """Return the names of a runner's own schedules: of n runners each has every nth.

    While runners don't see the same schedules and runners, one may be two runners' own, or no runner's: then
    the guard of a change keeps them apart, and what its runner doesn't do in time the others do.
    """
    backends = [str(each.definition.get("backend")) for each in schedules.values()]
    places = {backend: place(backend) for backend in set(backends)}
    named = zip(schedules, backends, strict=True)
    return {name for n, (name, backend) in enumerate(named) if n % places[backend][1] == places[backend][0]}


def everything(_: str) -> tuple[int, int]:
    """Return the place of a runner that is alone, whose own all schedules are."""
    return 0, 1
