"""A MariaDB server, as a process of the tests' own: Debian's, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import closing
from pathlib import Path

import attrs
import pymysql  # type: ignore[import-untyped]  # it carries no types

NO_MARIADB = "mariadbd isn't installed: apt install mariadb-server"

SETTINGS = (
    "--no-defaults",
    "--skip-networking",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--max-connections=500",
)


def program(name: str) -> str | None:
    """Where a program of the server's is; its own folder isn't in everybody's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def is_installed() -> bool:
    """Whether a server can be started here."""
    return program("mariadbd") is not None and program("mariadb-install-db") is not None


@attrs.define
class MariadbServer:
    """A server whose files and socket are in a folder of its own, root without a password."""

    folder: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    def url(self, database: str) -> str:
        """A store's URL."""
        return f"mariadb://root@localhost/{database}?unix_socket={self.socket}"

    def start(self) -> None:
        """Start it; returns when it answers."""
        data, log = self.folder / "data", self.folder / "log"
        if not data.exists():
            install, server = program("mariadb-install-db"), program("mariadbd")
            assert install is not None
            assert server is not None
            command = [install, "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"]
            subprocess.run(
                [*command, "--auth-root-authentication-method=normal"], check=True, capture_output=True
            )
        command = [program("mariadbd") or "", *SETTINGS, *self.options, "--user=root", f"--datadir={data}"]
        command += [f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        until = time.monotonic() + 60
        while b"ready for connections" not in log.read_bytes() or not self.socket.exists():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.02)

    def run(self, text: str) -> None:
        """Run a statement, which commits."""
        with closing(
            pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)
        ) as connection:
            connection.cursor().execute(text)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            (self.folder / "log").unlink()
