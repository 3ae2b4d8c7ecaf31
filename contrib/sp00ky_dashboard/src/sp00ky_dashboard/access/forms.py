"""Read forms that were sent, once it is sure that a page of this dashboard sent them."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import attrs
from starlette.exceptions import HTTPException
from starlette.requests import Request

from sp00ky_core.error_texts import shown
from sp00ky_core.errors import OptionInvalid
from sp00ky_dashboard.times import duration_of, instant_of

COOKIE = "sp00ky_form"
FIELD = "form_token"

LONGEST_FORM = 8 * 1024 * 1024
"""Bytes: a payload of 1 MiB, each byte of it written as %XX, and the ids of a page of jobs."""

MOST_FIELDS = 20_000


@attrs.frozen
class Form:
    """A form as it was sent.

    Attributes:
        fields: The values of each name.
    """

    fields: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """Return a field's value, without space around it; empty: it is missing."""
        return self.fields.get(name, [""])[-1].strip()

    def all(self, name: str) -> Sequence[str]:
        """Return all values of a field, each once."""
        return list(dict.fromkeys(self.fields.get(name, ())))

    def lines(self, name: str) -> Sequence[str]:
        """Return the lines of a field that aren't empty, without space around them."""
        return [line.strip() for line in self.text(name).splitlines() if line.strip()]

    def has(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.text(name))

    def duration(self, name: str) -> timedelta | None:
        """Return a duration; None: it is left empty. Raises ``OptionInvalid``."""
        written = self.text(name)
        if not written:
            return None
        seconds = duration_of(written)
        if not seconds:
            raise OptionInvalid(
                option=name, value=shown(written), expected="a duration such as 90s, 10m or 6h"
            )
        return timedelta(seconds=seconds)

    def instant(self, name: str) -> datetime | None:
        """Return an instant, or the one that lies so far ahead; None: it is left empty."""
        return instant_of(name, self.text(name), is_ahead=True)

    def number(self, name: str) -> int | str | None:
        """Return a number, as ``number_of``."""
        return number_of(self.text(name))

    def without(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Return all others, to be sent again."""
        others = {name: values for name, values in self.fields.items() if name not in names}
        return [(name, value) for name, values in others.items() for value in values]

    def back(self, request: Request) -> str:
        """Return where to go on: a page of this dashboard, whatever was sent."""
        root = request.scope.get("root_path", "")
        wanted = self.text("back")
        parts = urlsplit(wanted)
        is_here = not (parts.scheme or parts.netloc) and parts.path.startswith(f"{root}/")
        return wanted if is_here and not wanted.startswith(("//", "/\\")) else f"{root}/"


def number_of(written: str) -> int | str | None:
    """Return a number, or a text that is none, which the outbox refuses; None: nothing is written."""
    try:
        return int(written) if written else None
    except ValueError:
        return written


def form_token(request: Request) -> str:
    """Return what a form of this browser must bring along; a new one for a browser that has none."""
    token: str = request.cookies.get(COOKIE, "") or getattr(request.state, "form_token", "")
    if not token:
        token = request.state.form_token = secrets.token_urlsafe(24)
    return token


async def form_of(request: Request) -> Form:
    """Read a form. Raises ``HTTPException`` where its token is missing, or it is too long."""
    body = await _body(request)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise HTTPException(400, "What was sent is no form.") from error
    form, expected = Form(fields), request.cookies.get(COOKIE, "")
    if not expected or not hmac.compare_digest(expected.encode(), form.text(FIELD).encode()):
        raise HTTPException(403, "This form is out of date: go back, reload the page, and send it again.")
    return form


async def _body(request: Request) -> bytes:
    """Return the body of a request. Raises ``HTTPException`` as soon as it is too long."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            raise HTTPException(413, "What was sent is too long.")
    return bytes(body)
