"""Claims that stay overdue by this runner's own clock."""

from sp00ky_core.ports import OverdueClaim
from sp00ky_core.runner.maintenance.overdue import MOST_REMEMBERED, Overdue


def claim(number: int, *, epoch: int = 1, lasts: float = 40.0) -> OverdueClaim:
    return OverdueClaim(job_id=f"job:{number}", epoch=epoch, runner_id="r", lasts=lasts)


def test_a_claim_is_overdue_when_it_was_seen_so_for_as_long_as_its_lease_lasts() -> None:
    overdue = Overdue()
    one, other = claim(1), claim(2, lasts=60.0)
    assert overdue.seen([one], 0.0, all_listed=True, held=()) == []
    assert overdue.seen([one, other], 39.9, all_listed=True, held=()) == []
    assert overdue.seen([one, other], 40.0, all_listed=True, held=()) == [one]
    assert overdue.seen([other], 99.0, all_listed=True, held=()) == []
    assert overdue.seen([other], 99.9, all_listed=True, held=()) == [other]


def test_what_is_no_longer_overdue_starts_anew() -> None:
    overdue = Overdue()
    overdue.seen([claim(1)], 0.0, all_listed=True, held=())
    overdue.seen([], 20.0, all_listed=True, held=())
    assert overdue.seen([claim(1)], 45.0, all_listed=True, held=()) == []
    assert overdue.seen([claim(1, epoch=3)], 99.0, all_listed=True, held=()) == []  # claimed again meanwhile


def test_what_this_runner_holds_is_under_way() -> None:
    overdue = Overdue()
    overdue.seen([claim(1)], 0.0, all_listed=True, held=())
    assert overdue.seen([claim(1)], 50.0, all_listed=True, held={"job:1"}) == []
    assert overdue.seen([claim(1)], 50.0, all_listed=True, held={"job:2"}) == [claim(1)]


def test_memory_is_bounded_and_a_part_of_a_list_forgets_nothing() -> None:
    overdue = Overdue()
    overdue.seen([claim(1)], 0.0, all_listed=False, held=())
    overdue.seen([claim(2)], 20.0, all_listed=False, held=())
    assert overdue.seen([claim(1)], 40.0, all_listed=False, held=()) == [claim(1)]
    for start in range(0, 30_000, 2_000):
        overdue.seen([claim(start + n) for n in range(2_000)], 41.0, all_listed=False, held=())
    assert len(overdue._since) <= MOST_REMEMBERED
