"""``sp00ky backends | runners | audit``: listing them, pausing, draining, and what operators have done."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.core.cli.conftest import Cli
from tests.core.cli.shelf import Shelf, enqueued, within

from sp00ky_core.ports import DEAD_AFTER, RunnerInfo
from sp00ky_store_kit.memory import MemoryStore


def listed(sp00ky: Cli, key: str) -> Any:
    (backend,) = sp00ky("backends", "list", "--json").json["backends"]
    return backend[key]


def test_backends_are_listed_with_what_holds_them_back(project: Path, shelf: Shelf, sp00ky: Cli) -> None:
    file = project / "sp00ky.yml"
    limits = "rate: {limit: 50, per: 1s, burst: 10}\n    maxInFlight: 7\n    breaker: false"
    file.write_text(file.read_text().replace("breaker: false", limits))
    enqueued(2)
    (backend,) = sp00ky("backends", "list", "--json").json["backends"]
    assert list(backend)[:2] == ["name", "limits"]
    assert backend["limits"] == {"rate": {"limit": 50, "per": 1.0, "burst": 10}, "max_in_flight": 7}
    assert (backend["name"], backend["pending"], backend["paused"]) == ("api", 2, None)
    assert backend["breaker"] == {"state": "closed", "paused_for_s": 0.0}
    header, row = sp00ky("backends", "list").out.splitlines()
    assert header.split()[:2] == ["backend", "pending"]
    assert row.endswith("50 per 1 s, 10 at once, 7 in flight")


def test_a_backend_is_paused_and_resumed(shelf: Shelf, sp00ky: Cli) -> None:
    enqueued(1)
    done = sp00ky("backends", "pause", "api", "--reason", "a deploy")
    assert (done.code, done.out, done.err) == (0, "api is paused until it is resumed\n", "")
    assert (listed(sp00ky, "paused")["until"], listed(sp00ky, "paused")["reason"]) == (None, "a deploy")

    async def claim(outbox: Any) -> list[Any]:
        return list(await outbox.store.claim({"api": 1}, "r"))

    assert within(claim) == []
    again = sp00ky("backends", "pause", "api", "--for", "10m")
    assert again.out == "api is paused for 600 s; it was paused before, and that pause is replaced\n"
    assert listed(sp00ky, "paused")["until"].endswith("Z")
    assert sp00ky("backends", "resume", "api").out == "api is resumed\n"
    assert len(within(claim)) == 1
    assert listed(sp00ky, "paused") is None
    again = sp00ky("backends", "resume", "api")
    assert (again.code, again.out) == (0, "api is resumed; nothing had paused it\n")
    actions = [entry["action"] for entry in sp00ky("audit", "--json").json["audit"]]
    assert actions == ["resume", "resume", "pause", "pause"]


def test_what_else_the_table_holds_steers_no_terminal(shelf: Shelf, sp00ky: Cli) -> None:
    within(lambda outbox: outbox.store.change_settings("api", {"\x1b[2J": 1}))  # type: ignore[attr-defined]
    done = sp00ky("backends", "set", "api", "concurrency=10")
    assert (done.code, "unknown key" in done.out, "\x1b" in done.out) == (0, True, False)
    gone = sp00ky("backends", "set", "api", "concurrency=10", "--for", "0.001ms")
    assert (gone.code, gone.out) == (0, "api: its time is over; runners follow within 5 s\n")


def test_a_backend_is_set_and_reset(shelf: Shelf, sp00ky: Cli) -> None:
    assert listed(sp00ky, "settings") is None
    done = sp00ky("backends", "set", "api", "rate=20/s", "concurrency=10", "--for", "2h", "--actor", "ann")
    assert (done.code, done.err) == (0, "")
    assert "api: rate 20 per 1 s, 20 at once (file: none), concurrency 10 (file: 50), until " in done.out
    sp00ky("backends", "set", "api", "max-in-flight=5", "rate={limit: 3, per: 1m}")
    is_set = listed(sp00ky, "settings")
    rate = {"limit": 3, "per": 60.0, "burst": 3}
    assert is_set["values"] == {"rate": rate, "maxInFlight": 5, "concurrency": 10}
    assert is_set["file"] == {"rate": None, "maxInFlight": None, "concurrency": 50}
    assert (is_set["until"][-1], is_set["ignored"], is_set["actor"]) == ("Z", {}, "eve")
    assert "concurrency 10 (file: 50), until " in sp00ky("backends", "list").out
    assert sp00ky("backends", "set", "api", "--reset").out == "api is as the file says\n"
    assert listed(sp00ky, "settings") is None
    again = sp00ky("backends", "set", "api", "--reset")
    assert (again.code, again.out) == (0, "api is as the file says; nothing was set\n")
    acts = sp00ky("audit", "--json").json["audit"]
    assert [act["action"] for act in acts] == ["reset", "reset", "set", "set"]
    assert acts[-1]["selection"] == {
        "backend": "api",
        "duration": 7200.0,
        "values": {"rate": {"limit": 20, "per": 1.0, "burst": 20}, "concurrency": 10},
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pause", "apj"], "no backend 'apj' in the configuration; did you mean 'api'?"),
        (["resume", "apj"], "did you mean 'api'?"),
        (["pause", ""], "no backend ''"),
        (["pause", "api", "--for", "0"], "--for is"),
        (["pause", "api", "--for", "soon"], "--for"),
        (["pause", "api", "--for", "-1"], "--for"),
        (["pause", "api", "--reason", "x" * 10_000_000], "reason is"),
        (["pause", "api", "--reason", "\udc80"], "reason is"),
        (["pause"], "NAME"),
        (["set", "apj", "concurrency=2"], "did you mean 'api'?"),
        (["set", "api"], "say what to set"),
        (["set", "api", "--for", "2h"], "say what to set"),
        (["set", "api", "--reset", "concurrency=2"], "say what to set"),
        (["set", "api", "--reset", "--for", "2h"], "say what to set"),
        (["set", "api", "concurrency"], "expected KEY=VALUE"),
        (["set", "api", "rate="], "expected KEY=VALUE, such as concurrency=10, not 'rate='"),
        (["set", "api", "rate=0/s"], "backends.api.rate: expected a whole number from 1"),
        (["set", "api", "rate=0"], "backends.api.rate: expected a rate such as 20/s"),
        (
            ["set", "api", "concurrency=2", "ratte=20/s"],
            "backends.api.ratte: unknown key 'ratte'; did you mean",
        ),
        (["set", "api", "base-url=http://127.0.0.1:1/x"], "backends.api.baseUrl: expected one of the file's"),
        (["set", "api", "base-url=nowhere"], "backends.api.baseUrl: expected a URL"),
        (["set", "api", "concurrency=2", "--for", "0"], "--for is"),
        (["set", "api", "max-in-flight=2", "rate=20/s", "maxInFlight=3"], "'maxInFlight=3' sets a key again"),
    ],
)
def test_what_cannot_be_is_refused(shelf: Shelf, sp00ky: Cli, arguments: list[str], says: str) -> None:
    assert says in sp00ky("backends", *arguments).complaint(2)
    assert (listed(sp00ky, "paused"), listed(sp00ky, "settings")) == (None, None)
    assert sp00ky("audit", "--json").json == {"audit": [], "next": None}


RUNNER_KEYS = ["id", "host", "pid", "version", "started_at", "beat_at", "state", "in_flight", "slots"]


def beat(*runner_ids: str, **info: Any) -> None:
    async def work(outbox: Any) -> None:
        for id_ in runner_ids:
            await outbox.store.beat(id_, RunnerInfo(**info))

    within(work)


def test_runners_are_listed_with_their_state(shelf: Shelf, sp00ky: Cli) -> None:
    assert sp00ky("runners", "list", "--json").json == {"runners": []}
    beat("one", version="9", in_flight={"api": 2}, slots={"api": 50})
    (runner,) = sp00ky("runners", "list", "--json").json["runners"]
    assert list(runner) == RUNNER_KEYS
    assert (runner["id"], runner["state"], runner["version"]) == ("one", "running", "9")
    assert (runner["in_flight"], runner["slots"]) == ({"api": 2}, {"api": 50})
    assert runner["beat_at"].endswith("Z")
    assert sp00ky("runners", "list").out.splitlines()[1].endswith("api 2/50")


def test_one_is_asked_to_drain(shelf: Shelf, sp00ky: Cli) -> None:
    beat("one", "two")
    done = sp00ky("runners", "drain", "one", "--reason", "a new disk")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("one was asked to drain")
    states = {runner["id"]: runner["state"] for runner in sp00ky("runners", "list", "--json").json["runners"]}
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
            attrs.evolve(runner, silent_for=silence.total_seconds(), beat_at=runner.beat_at - silence)
            for runner in await runners(store)
        ]

    monkeypatch.setattr(MemoryStore, "runners", silent)
    assert sp00ky("runners", "list", "--json").json["runners"][0]["state"] == "dead"
    assert "'runner-one' is dead" in sp00ky("runners", "drain", "runner-one").complaint(1)
    assert sp00ky("audit", "--json").json["audit"] == []


AUDIT_KEYS = [
    "id",
    "at",
    "actor",
    "db_user",
    "via",
    "host",
    "action",
    "selection",
    "count",
    "reason",
    "ended_at",
]


def reasons(listed: Any) -> list[str]:
    return [entry["reason"] for entry in listed["audit"]]


def test_entries_come_in_pages_the_latest_first(shelf: Shelf, sp00ky: Cli) -> None:
    for n in range(3):
        sp00ky("backends", "resume", "api", "--reason", str(n))
    first = sp00ky("audit", "--limit", "2", "--json").json
    assert list(first) == ["audit", "next"]
    assert [list(entry) for entry in first["audit"]] == [AUDIT_KEYS, AUDIT_KEYS]
    assert reasons(first) == ["2", "1"]
    assert first["next"] == first["audit"][-1]["id"]
    rest = sp00ky("audit", "--limit", "2", "--after", first["next"], "--json").json
    assert (reasons(rest), rest["next"]) == (["0"], None)
    assert reasons(sp00ky("audit", "--since", "1h", "--json").json) == ["2", "1", "0"]
    assert "yet to come" in sp00ky("audit", "--since", "9000-01-01T00:00:00Z").complaint(2)
    shown = sp00ky("audit", "--limit", "1")
    assert shown.err == f"there are more: --after {sp00ky('audit', '--json').json['audit'][0]['id']}\n"


@pytest.mark.parametrize("wrong", [["--since", "yesterday"], ["--limit", "0"], ["--limit", "10001"]])
def test_a_page_that_cannot_be_is_refused(shelf: Shelf, sp00ky: Cli, wrong: list[str]) -> None:
    assert sp00ky("audit", *wrong).complaint(2)


def test_a_runner_without_a_free_place_is_named_with_its_backend(shelf: Shelf, sp00ky: Cli) -> None:
    beat("one", slots={"api": 50})
    beat("two", slots={"api": 0})
    (api, *_) = sp00ky("backends", "list", "--json").json["backends"]
    assert (api["name"], api["stuck_runners"]) == ("api", ["two"])
    assert "two" in sp00ky("backends", "list").out
    assert "warning: runner two: each of its places for api" in sp00ky("check").out
