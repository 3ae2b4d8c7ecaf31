"""An outage of the database in the log: once, and its end likewise."""

import logging

import pytest

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.runner.store_log import StoreLog

GONE = StoreUnavailable(store="memory://", problem="it is gone")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage()) for record in caplog.records if record.levelno >= logging.INFO
    ]


def test_an_outage_is_logged_once_and_so_is_its_end(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = StoreLog(clock)
    log.worked()
    assert lines(caplog) == []
    log.failed("no beat", GONE)
    for _ in range(5):
        clock.now += 1
        log.failed("can't claim", GONE)
    log.worked()
    log.worked()
    lost, back = lines(caplog)
    text = f"the database can't be reached, jobs wait and outcomes are kept: no beat: {GONE}"
    assert lost == ("WARNING", text)
    assert back == ("WARNING", "the database is back after 5.0 s")
    assert [getattr(record, "event", "") for record in caplog.records if record.levelno >= logging.INFO] == [
        "store_lost",
        "store_back",
    ]


def test_the_next_outage_is_another(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = StoreLog(clock)
    for _ in range(2):
        log.failed("no beat", GONE)
        log.worked()
    assert len(lines(caplog)) == 4
