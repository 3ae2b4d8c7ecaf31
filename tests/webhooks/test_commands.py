"""``sp00ky webhooks``, on a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from sp00ky_core.cli.app import cli

FILE = """\
backends:
  hooks: {baseUrl: "webhook://endpoints", method: {type: outbox, table: webhook}}
store: sqlite:///jobs.db
webhooks: {allowPrivate: [127.0.0.0/8], topics: {order.paid: {required: [n]}}}
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "sp00ky.yml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SP00KY_SECRET_KEY", raising=False)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments)

    assert run("migrate").exit_code == 0
    return run


def created(run: Run, *more: str) -> dict[str, str]:
    result = run("webhooks", "create", "http://127.0.0.1:8000/hooks", "--id", "one", *more)
    assert result.exit_code == 0, result.output
    made: dict[str, str] = json.loads(result.stdout)
    return made


def test_an_endpoint_is_made_listed_and_changed(run: Run) -> None:
    made = created(
        run, "--topic", "order.*", "--header", "X-Key: k3y", "--rate", "5/s", "--filter", '{"/n": 1}'
    )
    assert made["secret"].startswith("whsec_")
    listed = run("webhooks", "list")
    assert "one  enabled" in listed.stdout
    shown = json.loads(run("webhooks", "get", "one").stdout)
    assert (shown["topics"], shown["headers"], shown["rate"], shown["filter"]) == (
        ["order.*"],
        ["X-Key"],
        "5/s",
        {"/n": 1},
    )
    for output in (listed.output, json.dumps(shown)):
        assert made["secret"] not in output
        assert "k3y" not in output
    assert json.loads(run("webhooks", "update", "one", "--topic", "#").stdout)["topics"] == ["#"]
    assert json.loads(run("webhooks", "list", "--json").stdout)["endpoints"][0]["id"] == "one"
    rotated = json.loads(run("webhooks", "rotate", "one").stdout)
    assert rotated["secret"] != made["secret"]
    assert run("webhooks", "disable", "one", "--reason", "asked").exit_code == 0
    assert "disabled: asked" in run("webhooks", "list").stdout
    assert "disabled" in run("webhooks", "test", "one").stdout
    assert run("webhooks", "enable", "one").exit_code == 0
    assert run("webhooks", "delete", "one").exit_code == 0
    gone = run("webhooks", "get", "one")
    assert gone.exit_code == 1
    assert "there is no endpoint 'one'" in str(gone.exception) + gone.output


def test_events_are_published_and_deliveries_listed(run: Run) -> None:
    created(run)
    published = run("webhooks", "publish", "order.paid", '{"n": 1}', "--event-id", "evt_1")
    assert published.stdout == "evt_1: 1 deliveries\n"
    header, line = run("webhooks", "deliveries", "one").stdout.splitlines()
    assert header.split()[:3] == ["delivery", "status", "retries"]
    assert "pending" in line
    (shown,) = json.loads(run("webhooks", "deliveries", "one", "--json").stdout)["deliveries"]
    assert (shown["status"], shown["path"]) == ("pending", "/one")
    assert run("webhooks", "recover", "one", "--since", "2h").stdout == "0 are sent once more\n"
    assert (
        run("webhooks", "replay", "one", "--since", "2026-01-01T00:00:00Z").stdout == "0 are sent once more\n"
    )
    assert "has not ended within" in run("webhooks", "test", "one", "--wait", "0.1").stdout
    assert run("webhooks", "resend", line.split()[0]).exit_code != 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("publish", "order.lost", "{}"), "one of order.paid"),
        (("publish", "order.paid", "{}"), '"n" is a required property'),
        (("publish", "order.paid", "{"), "must be a JSON object"),
        (("create", "http://10.0.0.1/"), "private"),
        (("create", "http://127.0.0.1/", "--filter", "{"), "expected JSON"),
        (("create", "http://127.0.0.1/", "--rate", "often"), "a rate such as"),
        (("update", "nobody", "--topic", "order.*"), "no endpoint 'nobody'"),
        (("create", "http://127.0.0.1/", "--header", "X"), "NAME: VALUE"),
        (("replay", "one", "--since", "yesterday"), "neither an age"),
        (("replay", "one", "--since", "2026-01-01T00:00:00"), "time zone"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    result = run("webhooks", *arguments)
    assert result.exit_code != 0
    assert said in str(result.exception) + result.output
    assert json.loads(run("webhooks", "list", "--json").stdout) == {"endpoints": []}


def test_secrets_are_encrypted_anew(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (run("webhooks", "key").stdout.strip() for _ in range(2))
    assert Fernet(first)
    monkeypatch.setenv("SP00KY_SECRET_KEY", first)
    created(run)
    monkeypatch.setenv("SP00KY_SECRET_KEY", f"{second},{first}")
    assert run("webhooks", "reseal").stdout == "1 endpoints are encrypted anew\n"
    monkeypatch.setenv("SP00KY_SECRET_KEY", second)
    assert run("webhooks", "rotate", "one").exit_code == 0
