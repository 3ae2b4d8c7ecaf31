"""Read a token from its file, again whenever the file changes."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from sp00ky_core.config.secrets import Secret
from sp00ky_core.errors import ConfigError

IN_A_HEADER = re.compile(r"[\x21-\x7e]+")
"""What a token may be made of."""

_LONGEST = 65_536  # bytes; more would be no token

_Version = tuple[int, int, int]
_read: dict[Path, tuple[_Version, Secret]] = {}
"""The latest usable token of each file. A file is replaced while jobs run: it may be missing for a moment."""


def read_token(file: Path) -> Secret:
    """Return the token in a file, without the white space around it.

    A file that can't be used now gives the token that it held before, if it ever held one.

    Raises:
        ConfigError: it can't be read, is empty, or its text can't stand in a header; the text isn't quoted.
    """
    known = _read.get(file)
    try:
        version = _version(file)
        if known is None or known[0] != version:
            known = _read[file] = version, _token(file)
    except (OSError, ValueError) as error:
        if known is None:
            problem = f"no token can be read from it: {getattr(error, 'strerror', None) or error}"
            raise ConfigError(file=str(file), problem=problem, fix="write the token into it") from None
    return known[1]


def _version(file: Path) -> _Version:
    found = file.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST:
        raise ValueError(f"it isn't a file of at most {_LONGEST} bytes")
    return found.st_mtime_ns, found.st_size, found.st_ino


def _token(file: Path) -> Secret:
    text = file.read_bytes().decode("ascii", "replace").strip()
    if not IN_A_HEADER.fullmatch(text):
        raise ValueError("it isn't one line of printable ASCII without spaces")
    return Secret(text)
