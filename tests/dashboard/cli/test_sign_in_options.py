"""Who is let in; addresses with a code: one is printed at the start, and another when it is asked for."""

import os
import pty
import signal

import httpx
import pytest
from tests.dashboard.cli.test_server import TOKEN, Start, address_of, sign_in_address, start

from sp00ky_dashboard import HeaderAuth, TokenAuth
from sp00ky_dashboard.access.authentication import CodeAuth
from sp00ky_dashboard.cli.sign_in_options import auth_of

__all__ = ["start"]  # a fixture


@pytest.mark.parametrize(
    ("host", "header", "environment", "kind"),
    [
        ("127.0.0.1", None, {}, CodeAuth),
        ("127.0.0.1", None, {"SP00KY_DASHBOARD_TOKEN": TOKEN}, TokenAuth),
        ("0.0.0.0", None, {"SP00KY_DASHBOARD_TOKENS": f"ada={TOKEN}"}, TokenAuth),
        ("127.0.0.1", "X-User", {}, HeaderAuth),
    ],
)
def test_who_is_let_in(host: str, header: str | None, environment: dict[str, str], kind: type) -> None:
    assert isinstance(auth_of(host, header, environment), kind)


def test_enter_in_the_terminal_prints_another(start: Start) -> None:
    terminal, stdin = pty.openpty()
    process = start("--port", "0", stdin=stdin)
    address = address_of(process)
    first = sign_in_address(process)
    os.write(terminal, b"\n")
    second = sign_in_address(process)
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        assert client.get(first).status_code == 401
        assert client.get(second).status_code == 303
    os.close(terminal)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=120)[1] == ""
    os.close(stdin)
