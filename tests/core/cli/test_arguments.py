"""What commands are given: durations, instants, payloads, numbers of workers, who does it and why."""

from __future__ import annotations

import getpass
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from sp00ky_core.cli.app import cli
from sp00ky_core.cli.arguments import (
    DURATION,
    INSTANT,
    LATER,
    WORKERS,
    Seconds,
    act_options,
    operation_names,
    usable_cpus,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0", 0), ("90", 90), ("1.5", 1.5), ("500ms", 0.5), ("5m", 300), ("6h", 21_600), ("14d", 1_209_600)],
)
def test_what_is_a_duration(written: str, seconds: float) -> None:
    assert DURATION.convert(written, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["", "soon", "never", "nan", "inf", "-5", "5y", "99999999999d"])
def test_what_is_no_duration(written: str) -> None:
    with pytest.raises(click.BadParameter, match="is no duration"):
        DURATION.convert(written, None, None)


@pytest.mark.parametrize(("given", "taken"), [("0", 0.0), ("2.5", 2.5), (10, 10.0)])
def test_seconds_within_limits(given: Any, taken: float) -> None:
    assert Seconds(0, 10).convert(given, None, None) == taken


@pytest.mark.parametrize("given", ["nan", "-1", "10.1", "inf", "x"])
def test_seconds_beyond_them(given: str) -> None:
    with pytest.raises(click.BadParameter):
        Seconds(0, 10).convert(given, None, None)


@pytest.mark.parametrize(
    "written",
    ["2026-01-31T12:00:00Z", "2026-01-31t12:00:00z", "2026-01-31T13:00:00+01:00", "2026-01-31 12:00:00.000Z"],
)
def test_rfc_3339(written: str) -> None:
    assert INSTANT.convert(written, None, None) == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(("written", "age"), [("2h", timedelta(hours=2)), ("1.5m", timedelta(seconds=90))])
def test_an_age_counts_from_now(written: str, age: timedelta) -> None:
    before = datetime.now(UTC)
    found = INSTANT.convert(written, None, None)
    assert before - age <= found <= datetime.now(UTC) - age


def test_where_the_future_is_meant_a_duration_is_from_now() -> None:
    before, hour = datetime.now(UTC), timedelta(hours=1)
    assert before + hour <= LATER.convert("1h", None, None) <= datetime.now(UTC) + hour
    assert LATER.convert("2026-01-31T12:00:00Z", None, None) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    with pytest.raises(click.BadParameter, match="is neither a time from now, such as 2h"):
        LATER.convert("soon", None, None)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("2026-01-31T12:00:00", "has no time zone"),
        ("2026-01-31", "has no time zone"),
        ("yesterday", "is neither an age"),
        ("-2h", "is neither an age"),
        ("2y", "is neither an age"),
    ],
)
def test_what_is_no_instant(written: str, says: str) -> None:
    with pytest.raises(click.BadParameter, match=says):
        INSTANT.convert(written, None, None)


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


def test_a_payload_may_start_with_a_byte_order_mark(migrated: Path, sp00ky: Any) -> None:
    """Some editors write one."""
    (migrated / "payload.json").write_bytes(b'\xef\xbb\xbf{"id": "1"}')
    assert sp00ky("call", "api", "/json", "@payload.json", "--json").json["payload"] == {"id": "1"}


def test_auto_is_one_for_each_cpu_that_may_be_used() -> None:
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
    assert WORKERS.convert("auto", None, None) == usable_cpus()


@pytest.mark.parametrize("count", ["0", "-1", "1001", "some"])
def test_a_number_that_is_none_is_refused(project: Path, sp00ky: Any, count: str) -> None:
    assert "--workers" in sp00ky("run", "--workers", count).complaint(2)


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


@pytest.mark.parametrize(
    "words",
    ["call", "backends pause", "backends resume", "run --backend", "jobs list --backend", "plan --backend"],
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


def test_operations_are_completed_in_every_spelling(project: Path) -> None:
    document = json.loads((project / "openapi.json").read_text())
    document["paths"]["/json"]["put"] = {"operationId": "replace"}
    (project / "openapi.json").write_text(json.dumps(document))

    def completed(incomplete: str, backend: str = "api") -> list[str]:
        context = click.Context(cli)
        context.params["backend"] = backend
        return operation_names(context, click.Argument(["path"]), incomplete)

    assert completed("/js") == ["/json"]
    assert completed("PUT") == ["PUT /json"]
    assert completed("rep") == ["replace"]
    assert completed("", "apj") == []
