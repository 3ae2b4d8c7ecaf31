"""Each fire makes its job once and none is left out, while runners are killed and the database restarts."""

from pathlib import Path

import attrs
import pytest
from chaos.databases import DATABASES
from chaos.history import EVERYBODY, Disturbance, Request
from chaos.schedules import EVERY, Fire, Fired, run_schedules

SEED = 14


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", [name for name, choice in DATABASES.items() if choice.opened])
async def test_schedules_fire_once_each_whatever_breaks(store: str, tmp_path: Path) -> None:
    choice = DATABASES[store]
    if choice.why_not():
        pytest.skip(choice.why_not())
    assert choice.opened is not None
    async with choice.opened() as database:
        plan = {"seed": SEED, "seconds": 0, "runners": 3, "every": 10, "cron": 10}
        fired = await run_schedules(**plan, database=database, folder=tmp_path)
    assert fired.complaints() == []
    assert len(fired.fires) == 20
    assert fired.lateness()


def fire(at: float, **fields: object) -> Fire:
    number = int(at)
    given = {"schedule": "s01", "job_id": f"calm_job:{number}", "status": "success", "request": number}
    return Fire(at=at, **{**given, **fields})  # type: ignore[arg-type]  # of a test's own


def fired(*fires: Fire, **fields: object) -> Fired:
    requests = [Request(number=int(each.at), n=-1, at=each.at + 0.25) for each in fires]
    jobs = [each.job_id for each in fires]
    given = {"fires": {fires[0].schedule: fires}, "jobs": jobs, "requests": requests, "disturbances": []}
    return Fired(**{**given, **fields})  # type: ignore[arg-type]  # of a test's own


def test_cron_names_the_times_itself() -> None:
    cron = [fire(at, schedule="c01") for at in (103.0, 110.5, 120.25, 135.0)]
    assert list(fired(*cron).waits()) == [0.25, 0.5, 5.0]
    assert "too early" in fired(fire(103.0, schedule="c01"), fire(109.9, schedule="c01")).complaints()[0]


SOUND = (fire(100.0), fire(110.5), fire(120.5))


def test_what_is_as_it_should_be_is_no_complaint() -> None:
    found = fired(*SOUND)
    assert found.complaints() == []
    assert found.lateness() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (fired(*SOUND, fire(130.4)), "too early"),
        (fired(*SOUND, fire(170.5)), "40.0 s too late"),
        (fired(*SOUND, jobs=["calm_job:100"]), "3 fires have made a job, and there are 1 jobs"),
        (fired(*SOUND, jobs=[*(str(each.job_id) for each in SOUND), "calm_job:1"]), "there are 4 jobs"),
        (fired(*SOUND, fire(130.5, job_id="calm_job:120")), "4 fires have made a job"),
        (fired(*SOUND, fire(130.5, job_id=None, status=None)), "made no job"),
        (fired(*SOUND, fire(130.5, status="pending")), "is pending"),
        (fired(*SOUND, fire(130.5, request=7)), "is success"),
        (fired(*SOUND, outcries=["r1: Traceback"]), "Traceback"),
    ],
)
def test_what_is_not_is(found: Fired, complaint: str) -> None:
    assert any(complaint in each for each in found.complaints()), found.complaints()


def test_fires_coalesce_in_an_outage_and_their_lateness_is_not_counted() -> None:
    outage = Disturbance(kind="database restart", runner=EVERYBODY, since=121.0, until=160.0)
    found = fired(*SOUND, fire(164.0), fire(2 * EVERY + 164.0), disturbances=[outage])
    assert found.complaints() == []
    assert found.lateness() == [0.75, 10.25]
    alone = attrs.evolve(outage, runner="r1")
    assert "too late" in attrs.evolve(found, disturbances=[alone]).complaints()[0]
