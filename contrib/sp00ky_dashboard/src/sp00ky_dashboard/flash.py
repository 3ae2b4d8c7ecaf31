"""Say on the next page what was done, once."""

from __future__ import annotations

from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from sp00ky_dashboard.cookies import set_cookie

COOKIE = "sp00ky_done"
SECONDS = 20
LONGEST = 300
"""Characters; a browser drops a cookie of more than 4,096 bytes, and one of them may take twelve."""


def flashed(response: Response, request: Request, text: str) -> Response:
    """Give a response a line that the next page shows."""
    set_cookie(response, request, COOKIE, quote(text[:LONGEST]), seconds=SECONDS)
    return response


def line_of(request: Request) -> str:
    """Return what was done; empty: there is nothing to say."""
    return unquote(request.cookies.get(COOKIE, ""))[:LONGEST]
