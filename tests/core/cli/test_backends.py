"""``sp00ky backends``: listing them, pausing and resuming one."""

from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import Cli
from tests.core.cli.jobs.shelf import Shelf, enqueued, within


def paused(sp00ky: Cli) -> Any:
    (backend,) = sp00ky("backends", "list", "--json").json["backends"]
    return backend["paused"]


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
    assert (paused(sp00ky)["until"], paused(sp00ky)["reason"]) == (None, "a deploy")

    async def claim(outbox: Any) -> list[Any]:
        return list(await outbox.store.claim({"api": 1}, "r"))

    assert within(claim) == []
    again = sp00ky("backends", "pause", "api", "--for", "10m")
    assert again.out == "api is paused for 600 s; it was paused before, and that pause is replaced\n"
    assert paused(sp00ky)["until"].endswith("Z")
    assert sp00ky("backends", "resume", "api").out == "api is resumed\n"
    assert len(within(claim)) == 1
    assert paused(sp00ky) is None
    again = sp00ky("backends", "resume", "api")
    assert (again.code, again.out) == (0, "api is resumed; nothing had paused it\n")
    actions = [each["action"] for each in sp00ky("audit", "--json").json["audit"]]
    assert actions == ["resume", "resume", "pause", "pause"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pause", "apj"], "no backend 'apj' in the configuration; did you mean 'api'?"),
        (["resume", "apj"], "did you mean 'api'?"),
        (["pause", ""], "no backend ''"),
        (["pause", "api", "--for", "0"], "duration is"),
        (["pause", "api", "--for", "soon"], "--for"),
        (["pause", "api", "--for", "-1"], "--for"),
        (["pause", "api", "--reason", "x" * 10_000_000], "reason is"),
        (["pause", "api", "--reason", "\udc80"], "reason is"),
        (["pause"], "NAME"),
    ],
)
def test_what_cannot_be_paused_is_refused(shelf: Shelf, sp00ky: Cli, arguments: list[str], says: str) -> None:
    assert says in sp00ky("backends", *arguments).complaint(2)
    assert paused(sp00ky) is None
    assert sp00ky("audit", "--json").json == {"audit": [], "next": None}
