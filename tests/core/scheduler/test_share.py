"""Of n runners each has every nth schedule."""

from __future__ import annotations

from sp00ky_core.ports import StoredSchedule
from sp00ky_core.scheduler.share import everything, share


def stored(**backends: str) -> dict[str, StoredSchedule]:
    return {
        name: StoredSchedule(name=name, definition={"backend": backend}, hash="")
        for name, backend in backends.items()
    }


def test_runners_share_the_schedules_out() -> None:
    schedules = stored(**{f"s{n}": "api" for n in range(10)})
    shares = [share(schedules, lambda _, own=own: (own, 4)) for own in range(4)]
    assert sorted(map(len, shares)) == [2, 2, 3, 3]
    assert set.union(*shares) == set(schedules)


def test_each_backends_runners_share_its_schedules() -> None:
    schedules = stored(a="api", b="api", c="mail", d="mail")
    assert share(schedules, lambda backend: (0, 2) if backend == "api" else (1, 2)) == {"a", "d"}


def test_a_runner_that_is_alone_has_all() -> None:
    schedules = stored(a="api", b="mail")
    assert share(schedules, everything) == {"a", "b"}
