"""What commands are given: durations, instants, payloads, numbers of workers, who does it and why."""

import getpass
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from sp00ky_core.cli.app import cli
from sp00ky_core.cli.options import act_options


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"\xff\xfe{", "JSON"),
        (b'{"id": "\xff"}', "it is not UTF-8; save it as UTF-8"),
        (b'{"id": "1", "x": {"y": 1, "y": 1}}', "the key 'y' is there twice"),
        (b"", "JSON"),
        (b"[" * 100_000, "nested"),
        (b'"text"', "object"),
        (b'{"id": "\\ud800"}', "surrogate"),
        (json.dumps({"id": "x" * 2**20}).encode(), "limit"),
    ],
)
def test_a_payload_file_that_is_no_object_is_said(
    migrated: Path, sp00ky: Any, payload: bytes, said: str
) -> None:
    (migrated / "payload.json").write_bytes(payload)
    line = sp00ky("call", "api", "/json", "@payload.json").complaint(2)
    assert said in line
    assert len(line) < 300
    assert sp00ky("jobs", "list", "--json").json["jobs"] == []


@pytest.mark.parametrize("payload", ["@", "@.", "@nowhere"])
def test_a_payload_file_that_cannot_be_read_is_said(migrated: Path, sp00ky: Any, payload: str) -> None:
    assert f"PAYLOAD {payload}: " in sp00ky("call", "api", "/json", payload).complaint(2)


@pytest.mark.parametrize("count", ["0", "-1", "1001", "some"])
def test_a_number_that_is_none_is_refused(project: Path, sp00ky: Any, count: str) -> None:
    assert "--workers" in sp00ky("run", "--workers", count).complaint(2)


@click.command()
@act_options
def act(reason: str | None, actor: str) -> None:
    click.echo(f"{actor}: {reason}")


def said(*arguments: str) -> str:
    return CliRunner().invoke(act, arguments).output.strip()


def test_it_is_the_login_name_or_the_environment_s_or_the_option_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SP00KY_ACTOR", raising=False)
    assert said() == f"{getpass.getuser()}: None"
    monkeypatch.setenv("SP00KY_ACTOR", "deploy-bot")
    assert said("--reason", "a deploy") == "deploy-bot: a deploy"
    assert said("--actor", "eve") == "eve: None"


@pytest.mark.parametrize(
    "words",
    ["call", "backends pause", "backends resume", "run --backend", "jobs list --backend"],
)
def test_backends_are_completed_by_the_shell(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = f"sp00ky {words} ap"
    place = str(len(typed.split()) - 1)
    asking = CliRunner(env={"_SP00KY_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": place})
    assert asking.invoke(cli, prog_name="sp00ky").stdout.strip() == ""  # there is no configuration
    assert CliRunner().invoke(cli, ["init"]).exit_code == 0
    assert asking.invoke(cli, prog_name="sp00ky").stdout.strip() == "plain,api"
