import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.dashboard.scene import write_files

SP00KY = str(Path(sys.executable).with_name("sp00ky"))
TOKEN = "a-token-of-the-dashboard"

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts ``sp00ky dashboard`` in a folder with a configuration."""
    write_files(tmp_path, "memory://")
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, stdin: int = subprocess.DEVNULL, **environment: str) -> subprocess.Popen[str]:
        terminal = ["setsid", "--ctty"] if stdin > 0 else []  # as a shell's foreground has it
        process = subprocess.Popen(
            [*terminal, SP00KY, "dashboard", *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.match(r"dashboard on (http://\S+/)", line)
    assert found, line
    return found[1]


def sign_in_address(process: subprocess.Popen[str]) -> str:
    """The address that it prints next: with a code, to be used once."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.match(r"sign in at (http://\S+/sign-in\?code=\S+) \(once, within 15 min; ", line)
    assert found, line
    return found[1]


def complaint(process: subprocess.Popen[str], code: int) -> str:
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    (line,) = err.splitlines()
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(start: Start, number: signal.Signals) -> None:
    process = start("--port", "0")
    address = address_of(process)
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        assert client.get("/").status_code == 401
        assert "read-only" in client.get(sign_in_address(process), follow_redirects=True).text
        assert client.get("/", headers={"Host": "evil.test"}).status_code == 421
        with client.stream("GET", "/events") as stream:
            assert next(stream.iter_lines()) == ": "
            process.send_signal(number)  # an open page doesn't hold it up
            _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


def test_a_token_lets_programs_in(start: Start) -> None:
    process = start("--port", "0", "--host", "0.0.0.0", "--writable", SP00KY_DASHBOARD_TOKEN=TOKEN)
    address = address_of(process).replace("0.0.0.0", "127.0.0.1")
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        assert client.get("/jobs").status_code == 401
        page = client.get("/jobs", headers={"Authorization": f"Bearer {TOKEN}"})
        assert page.status_code == 200
        assert "read-only" not in page.text


def test_a_port_in_use_is_one_line(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = complaint(start("--port", port), 1)
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "says"),
    [
        (["--host", "0.0.0.0"], {}, 2, "can be reached from other machines"),
        (["--host", "0.0.0.0"], {"SP00KY_DASHBOARD_TOKEN": "short"}, 2, "at least 16 characters"),
        (["--user", "ada"], {}, 2, 'is gone since 0.4: set SP00KY_DASHBOARD_TOKENS="NAME=TOKEN"'),
        ([], {"SP00KY_DASHBOARD_PASSWORD": "x"}, 2, "SP00KY_DASHBOARD_PASSWORD is gone since 0.4: set"),
        (["--user-header", "X-User", "--host", "0.0.0.0"], {}, 2, "listen on 127.0.0.1"),
        ([], {"SP00KY_DASHBOARD_TOKENS": f"ada={TOKEN} {TOKEN}"}, 2, "NAME=TOKEN"),
        ([], {"SP00KY_DASHBOARD_TOKENS": f"ada={TOKEN} ada={TOKEN}"}, 2, "each name once"),
        ([], {"SP00KY_DASHBOARD_TOKENS": f"ada={TOKEN} bob={TOKEN}"}, 2, "one for several names"),
        (["--host", "nowhere.invalid"], {"SP00KY_DASHBOARD_TOKEN": TOKEN}, 1, "nowhere.invalid"),
        (["--host", "a" * 64], {"SP00KY_DASHBOARD_TOKEN": TOKEN}, 1, "choose another"),
        (["--store", "nonsense://x"], {}, 2, "nonsense"),
    ],
)
def test_bad_input_is_one_line(
    start: Start, arguments: list[str], environment: dict[str, str], code: int, says: str
) -> None:
    line = complaint(start("--port", "0", *arguments, **environment), code)
    assert says in line
    assert "short" not in line
    assert TOKEN not in line


def test_a_proxys_header_names_the_operator(start: Start) -> None:
    address = address_of(start("--port", "0", "--user-header", "X-Auth-Request-Email"))
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        assert client.get("/jobs").status_code == 401
        assert client.get("/jobs", headers={"X-Auth-Request-Email": ""}).status_code == 401
        twice = [("X-Auth-Request-Email", "ada"), ("X-Auth-Request-Email", "eve")]
        assert client.get("/jobs", headers=twice).status_code == 401
        page = client.get("/jobs", headers={"X-Auth-Request-Email": "ada@example.com"})
        assert (page.status_code, "ada@example.com" in page.text) == (200, True)
        assert "Sign out" not in page.text  # that is the proxy's
