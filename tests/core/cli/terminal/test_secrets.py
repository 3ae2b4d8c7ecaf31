"""Nothing that is printed holds a secret that the command has read."""

from pathlib import Path
from typing import Any

from sp00ky_core.cli.terminal.secrets import Secrets
from sp00ky_core.config import BackendConfig, Config, Secret

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
