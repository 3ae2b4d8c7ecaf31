"""Read files that are sent, and keep them until it is confirmed what becomes of them."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from sp00ky_dashboard.access.forms import FIELD, bounded, check_token

LONGEST_FILE = 256 * 1024 * 1024
"""Bytes, of which one MiB is held in memory."""

MOST_KEPT = 5
"""Files; the oldest goes when another one comes."""

KEPT_SECONDS = 900
"""Whole rows are in them: they aren't kept for long."""

MOST_BYTES = 200
"""Of a file's name, its end: file systems take no more than 255."""


@asynccontextmanager
async def file_of(request: Request) -> AsyncIterator[UploadFile]:
    """Read the file of a form, as ``form_of``; it is there until the context ends."""
    problem = f"The file is over {LONGEST_FILE // 2**20:,} MiB: import it with `sp00ky jobs import`."
    try:
        sent = await bounded(request, LONGEST_FILE, problem).form(max_files=1, max_fields=2)
    except ValueError as error:  # a character set that decodes nothing
        raise HTTPException(400, "What was sent is no form.") from error
    try:
        check_token(request, str(sent.get(FIELD, "")))
        file = sent.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise HTTPException(400, "No file was chosen.")
        yield file
    finally:
        await sent.close()


class Uploads:
    """The files of one process, in a folder that nobody else reads."""

    def __init__(self) -> None:
        """Begin without any; an importer takes its file out, and deletes it."""
        self.files: dict[str, Path] = {}

    @cached_property
    def _folder(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="sp00ky-", ignore_cleanup_errors=True)

    async def keep(self, file: UploadFile) -> str:
        """Keep a file for a quarter of an hour; return its id, which can't be guessed."""
        upload_id, name = token_urlsafe(12), re.sub(r"[^\w-]+", ".", file.filename or "").strip(".")
        ending = name.encode()[-MOST_BYTES:].decode(errors="ignore")
        path = Path(self._folder.name, upload_id, ending or "export")
        await asyncio.to_thread(_write, file, path)
        while len(self.files) >= MOST_KEPT:
            self.drop(next(iter(self.files)))
        self.files[upload_id] = path
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self.drop, upload_id)
        return upload_id

    def drop(self, upload_id: str) -> None:
        """Delete a file, unless it was taken."""
        if path := self.files.pop(upload_id, None):
            delete(path)

    def close(self) -> None:
        """Delete all."""
        self._folder.cleanup()


def delete(path: Path) -> None:
    """Delete a file that was taken, and its folder."""
    shutil.rmtree(path.parent, ignore_errors=True)


def _write(file: UploadFile, path: Path) -> None:
    path.parent.mkdir()
    with path.open("wb") as kept:
        shutil.copyfileobj(file.file, kept)
