"""``sp00ky runners``: listing them, and asking one to drain."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from tests.core.cli.conftest import Cli
from tests.core.cli.jobs.shelf import Shelf, within

from sp00ky_core.ports import DEAD_AFTER, RunnerInfo
from sp00ky_core.stores.memory.store import MemoryStore

KEYS = ["id", "host", "pid", "version", "started_at", "beat_at", "state", "in_flight", "slots"]


def beat(*runner_ids: str, **info: Any) -> None:
    async def work(outbox: Any) -> None:
        for each in runner_ids:
            await outbox.store.beat(each, RunnerInfo(**info))

    within(work)


def test_runners_are_listed_with_their_state(shelf: Shelf, sp00ky: Cli) -> None:
    assert sp00ky("runners", "list", "--json").json == {"runners": []}
    beat("one", version="9", in_flight={"api": 2}, slots={"api": 50})
    (runner,) = sp00ky("runners", "list", "--json").json["runners"]
    assert list(runner) == KEYS
    assert (runner["id"], runner["state"], runner["version"]) == ("one", "running", "9")
    assert (runner["in_flight"], runner["slots"]) == ({"api": 2}, {"api": 50})
    assert runner["beat_at"].endswith("Z")
    assert sp00ky("runners", "list").out.splitlines()[1].endswith("api 2/50")


def test_one_is_asked_to_drain(shelf: Shelf, sp00ky: Cli) -> None:
    beat("one", "two")
    done = sp00ky("runners", "drain", "one", "--reason", "a new disk")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("one was asked to drain")
    states = {each["id"]: each["state"] for each in sp00ky("runners", "list", "--json").json["runners"]}
    assert states == {"one": "draining", "two": "running"}
    (entry,) = sp00ky("audit", "--json").json["audit"]
    assert (entry["action"], entry["selection"], entry["reason"]) == (
        "drain",
        {"runner": "one"},
        "a new disk",
    )


def test_one_that_is_gone_or_dead_is_not(shelf: Shelf, sp00ky: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    beat("runner-one")
    line = sp00ky("runners", "drain", "runner-won").complaint(1)
    assert "no runner 'runner-won' is up; did you mean 'runner-one'?" in line
    assert "no runner ''" in sp00ky("runners", "drain", "").complaint(1)
    runners = MemoryStore.runners

    async def silent(store: MemoryStore) -> Any:
        silence = timedelta(seconds=DEAD_AFTER + 1)
        return [
            attrs.evolve(each, silent_for=silence.total_seconds(), beat_at=each.beat_at - silence)
            for each in await runners(store)
        ]

    monkeypatch.setattr(MemoryStore, "runners", silent)
    assert sp00ky("runners", "list", "--json").json["runners"][0]["state"] == "dead"
    assert "'runner-one' is dead" in sp00ky("runners", "drain", "runner-one").complaint(1)
    assert sp00ky("audit", "--json").json["audit"] == []
