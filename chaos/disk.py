"""A small disk that can be filled: a tmpfs, where this machine lets the test mount one."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

__all__ = ["Disk", "small_disk"]

MEGABYTES = 192


@attrs.frozen
class Disk:
    """A folder; one of its own device can be filled."""

    folder: Path
    why_not: str = ""  # why it can't be filled

    def fill(self) -> None:
        """Leave no byte."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while ballast.write(b"\0" * 65_536):
                pass

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk in a folder that is there, gone at the end."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        yield Disk(folder, "there is no mount command")
        return
    if done.returncode:
        yield Disk(folder, f"no tmpfs can be mounted here: {done.stderr.strip()[:120]}")
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
