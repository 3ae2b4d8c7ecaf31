"""``sp00ky demo`` on a terminal, and interrupted."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

SP00KY = Path(sys.executable).with_name("sp00ky")


def test_a_live_table_then_the_summary(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    environment = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen([str(SP00KY), "demo"], stdout=end, stderr=end, env=environment)
    os.close(end)
    shown = b""
    try:
        while piece := os.read(terminal, 65_536):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(terminal)
    assert process.wait(timeout=240) == 0
    text = shown.decode()
    assert text.count("sp00ky demo") > 3  # drawn again and again, in place
    assert "\x1b[" in text
    assert "/charge-payment" in text
    assert "━" in text  # the progress
    assert "kill -9 " in text
    assert "\x1b[32m" in text  # colours
    assert "200 jobs in " in text.rpartition("sp00ky demo")[2]


def test_an_interrupt_ends_it_without_a_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [str(SP00KY), "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    assert "pending" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    assert err.strip() == ""
    assert "200 jobs in " not in out


def test_a_missing_transport_is_said(tmp_path: Path) -> None:
    program = (
        "from sp00ky_core.plugins import registry as plugins\n"
        "plugins.Plugins.transport = lambda self, scheme: plugins._of('transport', scheme, {})\n"
        "from sp00ky_core.cli import main\n"
        "main(['demo'])"
    )
    environment = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "pip install ./sp00ky_transport_http" in line
    assert list(tmp_path.rglob("sp00ky.yml")) == []  # nothing is left of what couldn't be shown
