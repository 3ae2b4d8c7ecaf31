import asyncio
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.core.cli.shelf import Shelf

from sp00ky_conformance import MisbehavingBackend
from sp00ky_core.cli import main, output
from sp00ky_core.plugins import registry as plugin_registry

TOKEN = "tok3n-that-nobody-may-see"
PATHS = ("/json", "/fails", "/reset", "/hang", "/complain", "/empty")
DATABASE = "sp00ky.db"
SP00KY = Path(sys.executable).with_name("sp00ky")

_SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}}
_POST = {"requestBody": {"content": {"application/json": {"schema": _SCHEMA}}}}

CONFIG = """\
store: {store}
backends:
  api:
    spec: ./openapi.json
    baseUrl: {url}
    auth: {{type: token, token: "${{API_TOKEN}}"}}
    method: {{type: outbox, table: job}}
    retry: {{base: 0.01}}
    breaker: false
"""


@attrs.frozen
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code in {0, 1}, self.err
        return json.loads(self.out)

    def complaint(self, code: int) -> str:
        """Its one line on stderr."""
        assert self.code == code, self.err
        (line,) = self.err.splitlines()
        assert line.startswith("sp00ky: ")
        assert "Traceback" not in self.err
        return line


Cli = Callable[..., Ended]


@pytest.fixture(scope="session")
def misbehaving() -> Iterator[MisbehavingBackend]:
    """A backend with a thread of its own: a command blocks the thread that runs it."""
    loop = asyncio.new_event_loop()
    backend = MisbehavingBackend()
    loop.run_until_complete(backend.__aenter__())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield backend
    asyncio.run_coroutine_threadsafe(backend.__aexit__(None, None, None), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def write_project(folder: Path, url: str) -> None:
    document = {"openapi": "3.1.0", "paths": {path: {"post": _POST} for path in PATHS}}
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "sp00ky.yml").write_text(CONFIG.format(store=f"surrealkv://./{DATABASE}", url=url))


@pytest.fixture
def project(tmp_path: Path, misbehaving: MisbehavingBackend, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, which is the current one."""
    write_project(tmp_path, misbehaving.url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_TOKEN", TOKEN)
    monkeypatch.delenv("SP00KY_STORE", raising=False)
    monkeypatch.setenv("SP00KY_ACTOR", "eve")
    return tmp_path


@pytest.fixture
def shelf(project: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf, load = Shelf(), plugin_registry.load_plugins

    def load_with_shelf(*arguments: Any) -> Any:
        plugins = load(*arguments)
        plugins.register(shelf, name="shelf", distribution="these-tests")
        return plugins

    monkeypatch.setattr("sp00ky_core.outbox.outbox.load_plugins", load_with_shelf)
    monkeypatch.setattr(plugin_registry, "load_plugins", load_with_shelf)
    monkeypatch.setenv("SP00KY_STORE", "shelf://")
    return shelf


@pytest.fixture(autouse=True)
def never_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine adds no line to what these tests compare."""
    monkeypatch.setattr(output, "QUICK", 600.0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SP00KY_STORE", raising=False)
    return tmp_path


@pytest.fixture
def sp00ky(capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line, in this process."""

    def run(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        code = ended.value.code
        assert isinstance(code, int)
        shown = capsys.readouterr()
        assert TOKEN not in shown.out + shown.err
        return Ended(code, shown.out, shown.err)

    return run


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``migrate`` makes of no file; to copy it takes a fifth of the time."""
    folder = tmp_path_factory.mktemp("migrated")
    write_project(folder, "http://127.0.0.1:1")
    with pytest.raises(SystemExit) as ended:
        main(
            ["--config", str(folder / "sp00ky.yml"), "--store", f"surrealkv://{folder / DATABASE}", "migrate"]
        )
    assert ended.value.code == 0
    return folder / DATABASE


@pytest.fixture
def migrated(project: Path, migrated_database: Path) -> Path:
    """The same folder, its tables there."""
    shutil.copytree(migrated_database, project / DATABASE)
    return project


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the installed command as a process of its own, which ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        process = subprocess.Popen([str(SP00KY), *arguments], **pipes)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], text: str, count: int = 1) -> list[str]:
    """Read its log up to so many records with this text."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if sum(text in line for line in lines) == count:
            return lines
    raise AssertionError(f"it ended without {text!r}: {lines}")


def comes_true(is_so: Callable[[], bool]) -> None:
    """Wait for what another process does, which sends no event."""
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def heard() -> Iterator[None]:
    """Let processes hear SIGHUP that this one was started to ignore, as by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@attrs.frozen
class Shown:
    """What a command wrote to its terminal, and how it ended."""

    code: int
    raw: bytes

    @property
    def text(self) -> str:
        return CONTROL.sub(b"", self.raw).decode()

    @property
    def is_clean(self) -> bool:
        """Whether the cursor is seen again."""
        return self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l") and "Traceback" not in self.text


OnTerminal = Callable[..., Shown]


@pytest.fixture
def on_terminal(start: Any) -> OnTerminal:
    """Runs a command on a terminal.

    Once each text was seen it is interrupted, as by Ctrl-C; what it asks is answered.
    """

    def run(
        *arguments: str,
        until: tuple[str, ...] = (),
        answer: bytes = b"",
        columns: int = 80,
        **environment: str,
    ) -> Shown:
        terminal, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        inherited = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "NO_COLOR"}}
        env = {**inherited, "TERM": "xterm-256color", **environment}
        process = start(*arguments, stdin=end, stdout=end, stderr=end, env=env)
        os.close(end)
        shown, waiting = b"", list(until)
        try:
            while piece := os.read(terminal, 65_536):
                shown += piece
                if answer and b"[y/N]" in shown:
                    os.write(terminal, answer)
                    answer = b""
                text = CONTROL.sub(b"", shown).decode(errors="replace")
                if waiting and all(awaited in text for awaited in waiting):
                    waiting = []
                    process.send_signal(signal.SIGINT)
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(terminal)
        return Shown(process.wait(timeout=60), shown)

    return run


Call = Callable[..., str]


@pytest.fixture
def call(migrated: Path, sp00ky: Any) -> Call:
    """Enqueues a job and returns its id."""

    def enqueue(path: str = "/json", *options: str) -> str:
        called = sp00ky("call", "api", path, *options)
        assert called.code == 0, called.err
        return str(called.out).strip()

    return enqueue


@pytest.fixture
def ended(call: Call, sp00ky: Any) -> tuple[str, str]:
    """A job that succeeded, and one that failed."""
    good, bad = call("/json"), call("/fails", "--max-retries", "0")
    assert sp00ky("run", "--until-empty").code == 1
    return good, bad


def ids(listed: Any) -> list[str]:
    """Of the jobs that ``list --json`` printed."""
    return [job["id"] for job in listed.json["jobs"]]
