"""Log records are one line each on stderr, without secrets."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from sp00ky_core.cli.logs import Secrets, logged, set_format, set_level
from sp00ky_core.config import BackendConfig, Config, Secret

logger = logging.getLogger("sp00ky_core.test_logs")
PASSWORD = "passw0rd-that-nobody-may-see"


def log_an_error() -> None:
    try:
        int(f"bad\nvalue {PASSWORD}")
    except ValueError:
        logger.exception("it\nfailed")


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    secrets = Secrets()
    secrets.remember(Config(file=tmp_path, backends={}), f"ws://root:{PASSWORD}@localhost/a/b")
    return secrets


def test_one_line(secrets: Secrets, capsys: pytest.CaptureFixture[str]) -> None:
    with logged(secrets, debug=False):
        log_an_error()
    (line,) = capsys.readouterr().err.splitlines()
    assert "ERROR sp00ky_core.test_logs: it failed: ValueError: invalid literal" in line
    assert line.endswith("***'")


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_traceback_that_a_record_has_is_shown(
    secrets: Secrets, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    trace = f"Traceback:\n  File x.py\nValueError: {PASSWORD}"
    with logged(secrets, debug=False):
        set_format(kind)
        logger.error("%s failed\n%s", "it", trace, extra={"trace": trace})
    said = capsys.readouterr().err
    if kind == "json":
        line = json.loads(said)
        assert (line["message"], line["traceback"]) == ("it failed", trace.replace(PASSWORD, "***"))
    else:
        assert [line.strip() for line in said.splitlines()[1:]] == [
            "Traceback:",
            "File x.py",
            "ValueError: ***",
        ]


def test_the_level_is_this_project_s_and_ends_with_the_command(
    secrets: Secrets, capsys: pytest.CaptureFixture[str]
) -> None:
    with logged(secrets, debug=False):
        set_level("debug")
        logger.debug("ours")
        logging.getLogger("another").debug("theirs")
        set_level("error")
        logger.warning("no more")
    logger.error("after it")
    assert [line.rpartition(" ")[2] for line in capsys.readouterr().err.splitlines()] == ["ours"]
    assert logging.getLogger("sp00ky_core").level == logging.NOTSET


def test_json_is_a_line_with_what_is_known(secrets: Secrets, capsys: pytest.CaptureFixture[str]) -> None:
    attempt = {"event": "attempt", "job_id": "job:1", "code": 0, "duration_ms": None, "payload": "{}"}
    with logged(secrets, debug=False):
        set_format("json")
        logger.warning("job\n%s", PASSWORD, extra=attempt)
        log_an_error()
        set_format("text")
        logger.warning("as before")
    first, second, third = capsys.readouterr().err.splitlines()
    found = json.loads(first)
    assert found.pop("ts").endswith("Z")
    assert found == {
        "level": "warning",
        "event": "attempt",
        "logger": "sp00ky_core.test_logs",
        "message": "job\n***",
        "job_id": "job:1",
        "code": 0,
        "duration_ms": None,
    }
    error = json.loads(second)
    assert (error["event"], error["error"].partition(":")[0]) == ("message", "ValueError")
    assert "traceback" not in error
    assert third.endswith("as before")


TOKEN = "tok3n-that-nobody-may-see"  # the conftest's, which every in-process command is searched for


def test_a_signing_secret_is_hidden() -> None:
    secret = Secret("whsec_" + "s3cret00" * 4)
    backend = BackendConfig(
        name="api", spec=Path("a.yml"), base_url="http://x.test", signing_secrets=(secret,)
    )
    secrets = Secrets()
    secrets.remember(Config(file=Path("sp00ky.yml"), backends={"api": backend}), "memory://")
    assert secrets.hidden(f"sent {secret.value}.") == "sent ***."


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
