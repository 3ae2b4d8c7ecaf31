"""Without a token it prints an address with a code: at the start, and when it is asked for another."""

import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.dashboard.cli.test_server import Start, address_of, sign_in_address, start
from tests.ports import free_port

__all__ = ["start"]  # a fixture

NGINX = """\
daemon off; pid {folder}/pid; error_log {folder}/log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {address}; proxy_set_header Host $host; }}
  }}
}}
"""

Proxied = Callable[[str], str]


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Proxied]:
    """Puts an nginx before an address, which knows nothing but to pass ``Host`` on; gives its own."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no `nginx` on PATH")
    running: list[subprocess.Popen[bytes]] = []

    def begin(address: str) -> str:
        port = free_port()
        config = tmp_path / "nginx.conf"
        config.write_text(NGINX.format(folder=tmp_path, port=port, address=address.rstrip("/")))
        running.append(subprocess.Popen([program, "-c", str(config), "-p", str(tmp_path)]))
        while not (tmp_path / "pid").exists():
            assert running[-1].poll() is None
            time.sleep(0.01)
        return f"http://127.0.0.1:{port}"

    yield begin
    for process in running:
        process.terminate()
        process.wait()


def test_behind_a_proxy_nobody_is_let_in_without_a_code(start: Start, nginx: Proxied) -> None:
    process = start("--port", "0", "--writable", "--allowed-host", "ops.example.com")
    proxied, code = nginx(address_of(process)), sign_in_address(process).partition("?")[2]
    outside = {"Host": "ops.example.com", "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=proxied, headers=outside, trust_env=False, timeout=60) as client:
        assert client.get("/").status_code == 401
        form = {"action": "pause", "target": "api", "confirmed": "1"}
        form["form_token"] = client.cookies["sp00ky_form"]
        assert client.post("/act", data=form).status_code == 401
        assert client.get(f"/sign-in?{code}").status_code == 303
        assert client.post("/act", data=form).status_code == 303
        assert "Paused" in client.get("/").text


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
