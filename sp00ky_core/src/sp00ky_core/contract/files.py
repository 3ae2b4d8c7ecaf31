"""Read the files of a contract: regular ones, in folders that are allowed, and not too much in all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from sp00ky_core.encoding.yaml_text import YamlProblem, decoded, parse_yaml, why_unread

MOST_BYTES = 64 * 1024 * 1024
"""Of all files of one document."""


class FileProblem(Exception):
    """A file that isn't read; the text says why, in one line."""


class Files:
    """Reads the files that one document consists of.

    Attributes:
        folders: where files may be that a reference names, symbolic links resolved.
        left: bytes that may still be read.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders: tuple[Path, ...] = tuple(Path(os.path.realpath(folder)) for folder in folders)
        self.left: int = MOST_BYTES
        self._hash = sha256()

    @property
    def digest(self) -> str:
        """Tell documents apart, by the bytes of the files that were read, in that order."""
        return self._hash.hexdigest()[:12]

    def read(self, file: Path) -> Any:
        """Read a YAML or JSON file, wherever it is; every key is a text. Raises ``FileProblem``."""
        try:
            return parse_yaml(decoded(self._bytes(file)), text_keys=True)
        except YamlProblem as error:
            raise FileProblem(str(error)) from None
        except (OSError, ValueError) as error:
            raise FileProblem(why_unread(error)) from None

    def given(self, document: Any) -> Any:
        """Take a document that is in no file, as if it had been read. Raises ``FileProblem``."""
        try:
            text = json.dumps(document, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise FileProblem(f"it isn't JSON: {error}") from None
        self._hash.update(text.encode(errors="surrogatepass"))
        return json.loads(text)

    def read_referred(self, file: Path) -> Any:
        """Read a file that a reference names. Raises ``FileProblem`` also where it lies elsewhere."""
        try:
            file.stat()  # also says that symbolic links go in a circle
            real = Path(os.path.realpath(file))
        except (OSError, ValueError):
            return self.read(file)  # says what is wrong
        if not any(real.is_relative_to(folder) for folder in self.folders):
            raise FileProblem("that is outside of the document's folder; name its folder in `refRoots`")
        return self.read(real)

    def _bytes(self, file: Path) -> bytes:
        if file.exists() and not file.is_file():  # such as a pipe that no process writes to
            raise FileProblem("can't be read: it isn't a regular file")
        with file.open("rb") as opened:
            data = opened.read(self.left + 1)
        if len(data) > self.left:
            megabytes = MOST_BYTES // 1024 // 1024
            raise FileProblem(f"the document's files have more than {megabytes} MB in all; leave out some")
        self.left -= len(data)
        self._hash.update(data)
        return data
