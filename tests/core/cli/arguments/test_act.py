"""Who does it: the login name, SP00KY_ACTOR, or what is said."""

from __future__ import annotations

import getpass
import os

import click
import pytest
from click.testing import CliRunner

from sp00ky_core.cli.arguments.act import act_options


@click.command()
@act_options
def act(reason: str | None, actor: str) -> None:
    click.echo(f"{actor}: {reason}")


def said(*arguments: str) -> str:
    return CliRunner().invoke(act, arguments).output.strip()


def test_by_default_it_is_the_login_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SP00KY_ACTOR", raising=False)
    assert said() == f"{getpass.getuser()}: None"


@pytest.mark.parametrize("error", [OSError, KeyError])
def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    monkeypatch.delenv("SP00KY_ACTOR", raising=False)

    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert said() == f"uid {os.getuid()}: None"


def test_the_environment_says_another_and_an_option_yet_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SP00KY_ACTOR", "deploy-bot")
    assert said("--reason", "a deploy") == "deploy-bot: a deploy"
    assert said("--actor", "eve") == "eve: None"
