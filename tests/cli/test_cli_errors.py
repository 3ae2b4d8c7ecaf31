"""How the command line says what went wrong: one line, the right code, no secrets."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core import Outbox

TOKEN = "tok3n-that-nobody-may-see"  # the conftest's, which every in-process command is searched for
SP00KY = Path(sys.executable).with_name("sp00ky")
PASSWORD = "passw0rd-that-nobody-may-see"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("retry:", "rety:", "retry"),
        ("${API_TOKEN}", "${NO_SUCH_VARIABLE}", "NO_SUCH_VARIABLE"),
        ("./openapi.json", "./nowhere.json", "nowhere.json"),
        ("baseUrl: http", "baseUrl: ftp", "baseUrl"),
        ("backends:", "backends: [", "sp00ky.yml"),
        ("store: surrealkv:", "store: sqlite:", "sqlite"),
    ],
)
def test_a_configuration_that_cannot_be_used(
    project: Path, sp00ky: Any, old: str, new: str, said: str
) -> None:
    file = project / "sp00ky.yml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    for debug in ([], ["--debug"]):
        shown = sp00ky("jobs", "list", *debug)
        assert (shown.code, shown.out) == (2, "")
        assert said in shown.err.splitlines()[-1]
        assert ("Traceback" in shown.err) == bool(debug)


def test_a_missing_configuration_says_how_to_get_one(project: Path, sp00ky: Any) -> None:
    (project / "sp00ky.yml").unlink()
    assert "sp00ky init" in sp00ky("jobs", "list").complaint(2)
    assert "other.yml" in sp00ky("check", "--config", "other.yml").complaint(2)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["jobs", "nonsense"], ["jobs", "list", "--limit", "0"], ["run", "--no"]]
)
def test_usage_errors_are_one_line_with_code_2(project: Path, sp00ky: Any, arguments: list[str]) -> None:
    assert "--help" in sp00ky(*arguments).complaint(2)


def test_without_a_command_it_shows_the_help(sp00ky: Any) -> None:
    for group in ([], ["jobs"]):
        shown = sp00ky(*group)
        assert "Commands:" in shown.out + shown.err
    assert sp00ky("jobs", "--help").code == 0
    assert sp00ky("--version").code == 0


def test_the_settings_stand_before_or_after_the_command(
    migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    monkeypatch.chdir("/")
    config = ["--config", str(migrated / "sp00ky.yml")]
    for arguments in (
        [*config, "jobs", "list", "--json"],
        ["jobs", *config, "list", "--json"],
        ["jobs", "list", *config, "--json"],
    ):
        assert [job["id"] for job in sp00ky(*arguments).json["jobs"]] == [job_id]
        assert sp00ky("--store", "memory://", *arguments).json["jobs"] == []


def test_the_store_of_the_environment_counts(
    migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SP00KY_STORE", "memory://")
    assert sp00ky("call", "api", "/json").code == 0
    monkeypatch.delenv("SP00KY_STORE")
    assert sp00ky("jobs", "list", "--json").json["jobs"] == []


def raises(error: Exception) -> Callable[..., Any]:
    def raise_it(*_: Any, **__: Any) -> Any:
        logging.getLogger("sp00ky_core").warning("before:\nit raises %s", error)
        raise error

    return raise_it


def test_a_bug_is_called_one_and_holds_no_secret(
    migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outbox, "find", raises(RuntimeError(f"GET ws://u:{PASSWORD}@host\n{TOKEN}")))
    store = ["--store", f"memory://u:{PASSWORD}@host?token=another-t0ken"]
    shown = sp00ky("jobs", "list", *store)
    *logged, line = shown.err.splitlines()
    assert shown.code == 1
    assert "this is a bug: RuntimeError" in line
    assert "--debug" in line
    assert len(logged) == 1  # the record's two lines are one
    assert PASSWORD not in shown.err
    debugged = sp00ky("jobs", "list", *store, "--debug")
    assert "Traceback" in debugged.err
    assert PASSWORD not in debugged.err


def test_a_file_that_cannot_be_written_is_no_bug(
    project: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "write_text", raises(PermissionError(13, "Permission denied", "sp00ky.yml")))
    monkeypatch.setattr(logging.getLogger("sp00ky_core"), "disabled", True)
    (project / "sp00ky.yml").unlink()
    assert sp00ky("init").complaint(1) == "sp00ky: sp00ky.yml: Permission denied"


def test_an_interrupt_exits_130(migrated: Path, sp00ky: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Outbox, "find", interrupt)
    shown = sp00ky("jobs", "list")
    assert (shown.code, shown.out, shown.err.strip()) == (130, "", "")


def test_no_output_of_a_job_that_was_told_the_token_holds_it(migrated: Path, sp00ky: Any) -> None:
    """The backend complains with the token that it was sent."""
    waited = sp00ky("call", "api", "/complain", "--max-retries", "0", "--wait", "--debug")
    assert waited.code == 1
    assert "status: failed" in waited.out
    for command in (["list"], ["list", "--json"], ["stats"]):
        sp00ky("jobs", *command, "--debug")
    stored = b"".join(file.read_bytes() for file in migrated.rglob("sp00ky.db/**/*") if file.is_file())
    assert b"/complain" in stored
    assert TOKEN.encode() not in stored


def test_a_reader_that_leaves_is_no_error(migrated: Path, sp00ky: Any, start: Any) -> None:
    sp00ky("call", "api", "/json")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        process = start("jobs", "list", "--json", stdout=pipe)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


def test_another_process_that_owns_the_file_is_said(migrated: Path, sp00ky: Any, start: Any) -> None:
    runner = start("run", stderr=subprocess.PIPE)
    assert "delivers for api" in runner.stderr.readline()
    complaint = sp00ky("jobs", "list").complaint(1)
    assert "surrealkv://./sp00ky.db" in complaint


def test_closed_streams_harm_nothing(migrated: Path, sp00ky: Any) -> None:
    job_id = sp00ky("call", "api", "/json").out.strip()
    command = f'"$0" jobs kill {job_id} <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", command, str(SP00KY)], check=False)
    assert done.returncode == 0
    assert sp00ky("jobs", "get", job_id, "--json").json["status"] == "failed"
